"""Passing means: variables, commands and paths become what Kubernetes makes of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fixtures.minik8s.kubelet_env import CannotConfigureError, environment, expand, replace_paths
from fixtures.minik8s.objects import CONFIG_MAPS, SECRETS, Object

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("$(A)-x", "1-x"),
        ("$$(A)", "$(A)"),
        ("$(UNKNOWN) $A ${A} $(echo 1)", "$(UNKNOWN) $A ${A} $(echo 1)"),
        ("$$$(A)$", "$1$"),
    ],
)
def test_only_known_names_in_parentheses_are_filled_in(written: str, becomes: str) -> None:
    assert expand(written, {"A": "1"}) == becomes


def test_variables_come_from_where_they_say() -> None:
    secret = {"kind": "Secret", "data": {"token": base64.b64encode(b"t0").decode()}}
    known = {
        (CONFIG_MAPS, "c"): {"kind": "ConfigMap", "data": {"a": "1", "b": "2"}},
        (SECRETS, "s"): secret,
    }
    pod = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"x/rank": "3"}},
        "spec": {"nodeName": "gpu-01"},
        "status": {"podIP": "127.88.0.9"},
    }

    def given(name: str, **source: Any) -> Object:
        return {"name": name, "valueFrom": source}

    main = {
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "C_"}],
        "env": [
            given("IP", fieldRef={"fieldPath": "status.podIP"}),
            given("RANK", fieldRef={"fieldPath": "metadata.labels['x/rank']"}),
            given("TOKEN", secretKeyRef={"name": "s", "key": "token"}),
            given("NONE", configMapKeyRef={"name": "c", "key": "z", "optional": True}),
            {"name": "URL", "value": "http://$(IP):$(PORT)/$(C_a)"},
            {"name": "PORT", "value": "80"},
        ],
    }

    found = environment(pod, main, lambda full, name: known.get((full, name)))

    # PORT comes later, so it is not known yet.
    assert found == {
        "C_a": "1",
        "C_b": "2",
        "IP": "127.88.0.9",
        "RANK": "3",
        "TOKEN": "t0",
        "URL": "http://127.88.0.9:$(PORT)/1",
        "PORT": "80",
    }
    main["env"] = [given("X", configMapKeyRef={"name": "c", "key": "z"})]
    with pytest.raises(CannotConfigureError, match="couldn't find key z"):
        environment(pod, main, lambda full, name: known.get((full, name)))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("/engines/a.yaml", "/real/a.yaml"),
        ("sh -c 'cat /engines/a' --f=/engines", "sh -c 'cat /real/a' --f=/real"),
        ("/enginesX /my/engines ./engines", "/enginesX /my/engines ./engines"),
    ],
)
def test_a_mount_point_is_replaced_where_it_is_meant(text: str, becomes: str) -> None:
    assert replace_paths(text, [("/engines", "/real")]) == becomes
