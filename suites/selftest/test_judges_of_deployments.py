"""Passing means: the judges of discovery and disaggregation find what is broken, never raise, and
none of them takes an empty record for a good one.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from fixtures.judges import discovery
from fixtures.judges.disaggregation import TRANSFERS, counter_moved, roles_took_part
from fixtures.model.deployment import (
    SIGNALS,
    Readiness,
    Sighting,
)
from fixtures.model.evidence import KeyRecord, Sample, Scrape
from fixtures.model.requirement import Finding

from .exchanges import MODEL, ODD_BODIES, ODD_VALUES, answer_of, completion, exchange_of

pytestmark = pytest.mark.selftest

COUNTER = TRANSFERS["trtllm"]

ID = 0x7587_8F00_DEAD_BEEF  # above 2^53, as instance ids are
KEY = f"v1/instances/ns/backend/generate/{ID:x}"


def instance(value: Any = None, **changes: Any) -> dict[str, list[KeyRecord]]:
    named = {"component": "backend", "instance_id": ID} if value is None else value
    text = value if isinstance(value, str) else json.dumps(named)
    return {"backend": [replace(KeyRecord(KEY, text, 5, 9), **changes)]}


def actuals(findings: list[Finding]) -> list[str]:
    return [finding.actual for finding in findings]


@pytest.mark.parametrize("body", [*ODD_BODIES, b'{"status": "dead"}', b'{"status": ["live"]}'])
def test_a_frontend_that_does_not_say_live_is_found(body: bytes) -> None:
    assert discovery.frontend_is_live(exchange_of(body))


def test_a_live_frontend_says_so_with_status_200_and_completely() -> None:
    body = b'{"status": "live", "vendor": 1}'

    assert discovery.frontend_is_live(exchange_of(body)) == []
    assert discovery.frontend_is_live(exchange_of(body, status=503))
    assert actuals(discovery.frontend_is_live(exchange_of(body, error="cut"))) == ["cut"]


def test_the_model_list_is_read_strictly() -> None:
    def judge(document: Any, **options: Any) -> list[Finding]:
        return discovery.model_is_listed(answer_of(document, **options), MODEL)

    good = {"object": "list", "data": [{"id": "other"}, {"id": MODEL, "x": 1}]}
    assert judge(good) == []
    assert actuals(judge({"data": [{"id": f"/m/{MODEL}"}]})) == [f"listed: ['/m/{MODEL}']"]
    assert actuals(judge({"data": []})) == ["listed: nothing"]
    assert judge(good, status=500)
    assert judge(good, error="cut")
    for odd in ODD_VALUES:
        assert judge(odd)
        assert judge({"data": odd})
        assert judge({"data": [{"id": odd}]})


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:30]))
def test_no_body_is_a_model_list_or_readiness(body: bytes) -> None:
    assert discovery.model_is_listed(exchange_of(body), MODEL)
    assert discovery.readiness_agrees(exchange_of(body))


def test_readiness_is_the_word_true_and_nothing_like_it() -> None:
    assert discovery.readiness_agrees(answer_of({"ready": True})) == []
    assert discovery.readiness_agrees(exchange_of(b"", status=404))
    assert discovery.readiness_agrees(exchange_of(b"", status=404, error="cut"))
    assert discovery.readiness_agrees(answer_of({"ready": True}, status=503))
    for odd in (value for value in ODD_VALUES if value is not True):
        assert discovery.readiness_agrees(answer_of({"ready": odd}))


def seen(*sightings: tuple[bool, dict[str, int]]) -> Readiness:
    looks = [Sighting(at, listed, tuple(n.items())) for at, (listed, n) in enumerate(sightings)]
    return Readiness((), tuple(looks))


def test_a_model_listed_without_one_of_its_roles_is_found() -> None:
    def judge(readiness: Readiness) -> list[str]:
        return actuals(discovery.listed_only_when_complete(readiness, {"prefill": 1, "backend": 1}))

    both = {"backend": 1, "prefill": 1}
    assert judge(seen((False, {}), (False, {"backend": 1}), (True, both))) == []
    early = ["listed 1.00 s after launch without: prefill"]
    assert judge(seen((False, {}), (True, {"backend": 1}), (True, both))) == early
    assert judge(seen((False, {}), (True, {"backend": 1, "prefill": 0}))) == early
    assert judge(seen()) == ["none"]


def test_instances_are_as_many_as_planned_for_each_component() -> None:
    def judge(found: Any) -> list[str]:
        return actuals(discovery.instances_match_the_plan(found, {"backend": 1}))

    assert judge(instance()) == []
    assert judge({}) == ["0 in discovery"]
    assert judge({"backend": instance()["backend"] * 2}) == ["2 in discovery"]
    assert judge(instance() | {"prefill": instance()["backend"]}) == ["1 in discovery"]


@pytest.mark.parametrize(("lease", "ttl_s"), [(0, None), (5, None), (5, 0), (5, -1)])
def test_a_key_without_a_live_lease_is_found(lease: int, ttl_s: int | None) -> None:
    (finding,) = discovery.instances_are_held(instance(lease=lease, lease_ttl_s=ttl_s))

    assert finding.expected == f"{KEY} under a live lease"


def test_an_instance_under_a_live_lease_is_fine_and_no_instance_is_not() -> None:
    assert discovery.instances_are_held(instance()) == []
    assert actuals(discovery.instances_are_held({})) == ["none"]
    assert actuals(discovery.instances_are_held({"backend": []})) == ["none"]


ODD_INSTANCES = [value for value in ODD_VALUES if value is not None]
ODD_INSTANCES += [{"component": "backend", "instance_id": value} for value in ODD_VALUES]
ODD_INSTANCES += [{"component": value, "instance_id": ID} for value in ODD_VALUES]
ODD_INSTANCES += [{"instance_id": ID}, "{", "[" * 100_000, "\ufffd", f'{{"instance_id": {ID}.0}}']


def test_an_instance_that_does_not_name_itself_is_found() -> None:
    for value in ODD_INSTANCES:
        (finding,) = discovery.instances_are_held(instance(value))
        assert finding.expected == f"an instance of backend with id {ID:x}", value


def test_an_id_that_lost_its_last_digits_is_found() -> None:
    rounded = {"component": "backend", "instance_id": int(float(ID))}

    assert discovery.instances_are_held(instance(rounded))


def test_the_first_answer_is_a_signal_that_was_reached() -> None:
    whole = Readiness(tuple((name, 1.0) for name in SIGNALS))

    assert discovery.first_answer_came(whole) == []
    stopped = Readiness(whole.signals[:-1], stopped_because="not ready within 5 s")
    assert actuals(discovery.first_answer_came(stopped)) == ["not ready within 5 s"]


def counted(*values: float, error: str = "") -> dict[str, Scrape]:
    """Workers w0, w1, …, each with a sample that counts and one of another label."""
    return {
        f"w{i}": Scrape(
            f"http://w{i}",
            (Sample(COUNTER, {"a": "x"}, value), Sample(COUNTER, {"a": "y"}, 50)),
            error,
        )
        for i, value in enumerate(values)
    }


SILENT = {"w0": Scrape("http://w0", (), "")}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (counted(4), counted(5), []),
        (counted(4, 4), counted(4, 5), []),
        (SILENT, counted(1), []),
        (counted(4), counted(4), ["by 0"]),
        (counted(4), SILENT, ["from 4 to 0"]),
        (SILENT, SILENT, ["by 0"]),
        (counted(4), counted(0), ["from 4 to 0"]),
        (counted(4, 4), counted(9, 1), ["from 4 to 1"]),
        (counted(4), counted(math.nan), ["by nan"]),
        (counted(4), counted(5, error="status 500"), ["status 500"]),
        (counted(4, error="refused"), counted(5), ["refused"]),
        (counted(4), counted(5, 5), ["not scraped before the request"]),
        ({}, {}, ["by 0"]),
    ],
)
def test_a_counter_has_to_move_forward(before: Any, after: Any, expected: list[str]) -> None:
    assert actuals(counter_moved(before, after, COUNTER, 1, "", a="x")) == expected


def by(prefill: Any, decode: Any) -> Any:
    ids = {"prefill_worker_id": prefill, "decode_worker_id": decode}
    return answer_of(completion(nvext={"worker_id": ids}))


COMPONENTS = {"prefill": "prefill", "decode": "backend"}
INSTANCES = {"prefill": {ID, 8}, "backend": {ID + 1, 8}}


def test_two_registered_workers_took_part() -> None:
    assert roles_took_part(by(ID, ID + 1), INSTANCES, COMPONENTS) == []
    assert roles_took_part(by(8, 8), INSTANCES, COMPONENTS)[0].actual == "both 8"
    swapped = roles_took_part(by(ID + 1, ID), INSTANCES, COMPONENTS)
    assert [each.expected for each in swapped] == [
        "an instance of component prefill",
        "an instance of component backend",
    ]
    assert len(roles_took_part(by(1, 2), {}, COMPONENTS)) == 2


def test_hidden_or_unreadable_worker_ids_are_found() -> None:
    for odd in (value for value in ODD_VALUES if type(value) is not int):
        for answer in (
            by(odd, ID + 1),
            by(ID, odd),
            answer_of(completion(nvext=odd)),
            answer_of(completion(nvext={"worker_id": odd})),
        ):
            (finding,) = roles_took_part(answer, INSTANCES, COMPONENTS)
            assert finding.expected == "worker ids in nvext.worker_id"
    assert roles_took_part(answer_of(completion()), INSTANCES, COMPONENTS)
    assert roles_took_part(exchange_of(b"", status=500), INSTANCES, COMPONENTS)
