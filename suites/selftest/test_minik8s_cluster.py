"""Passing means: deployments on the double answer as real ones do, and leave nothing."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.minik8s.cluster import K8sShape, MiniK8s

from .minik8s_rig import (
    CORE,
    DEPLOYMENTS,
    GANGS,
    GROVE,
    IMAGE,
    LWS,
    Api,
    Object,
    component,
    container,
    deployment,
    double,
    light,
    until,
)
from .runs import ROOT

pytestmark = pytest.mark.selftest

WIDE_EP = ROOT / "configs" / "kubernetes" / "deepseek-r1-wide-ep-disagg.yaml"
MODEL = "nvidia/DeepSeek-R1-FP4"
METADATAS = "/apis/nvidia.com/v1alpha1/namespaces/default/dynamoworkermetadatas"
ASK_S = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniK8s]:
    """A double with etcd and NATS: four nodes of four GPUs."""
    shape = K8sShape(nodes=4, gpus_per_node=4, discovery="etcd")
    with double(tmp_path_factory.mktemp("grove"), shape, services=True) as found:
        yield found


@pytest.fixture
def api(cluster: MiniK8s) -> Api:
    """A client of it."""
    return Api(cluster.kubeconfig)


def scaled_wide_ep() -> tuple[Object, list[Object]]:
    """The example manifest with a decode worker of two nodes: its deployment, and the rest."""
    documents: list[Any] = list(yaml.safe_load_all(WIDE_EP.read_text(encoding="utf-8")))
    (found,) = (each for each in documents if each["kind"] == "DynamoGraphDeployment")
    others = [each for each in documents if each is not found]
    found["spec"]["services"]["decode"]["multinode"]["nodeCount"] = 2
    engines = next(each for each in others if each["kind"] == "ConfigMap")["data"]
    engines["decode.yaml"] = engines["decode.yaml"].replace("_size: 16", "_size: 8")
    return found, others


def ask(api: Api, name: str, model: str, prompt: str) -> str:
    """What the frontend behind the service of a deployment answers."""
    (subset,) = api.call("GET", f"{CORE}/endpoints/{name}-frontend")["subsets"]
    url = f"http://{subset['addresses'][0]['ip']}:{subset['ports'][0]['port']}/v1/chat/completions"
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 40}
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=ASK_S) as answer:  # noqa: S310
        return str(json.load(answer)["choices"][0]["message"]["content"])


def listed(api: Api, name: str, model: str) -> bool:
    """Whether the frontend lists the model."""
    (subset,) = api.call("GET", f"{CORE}/endpoints/{name}-frontend")["subsets"]
    url = f"http://{subset['addresses'][0]['ip']}:8000/v1/models"
    with urllib.request.urlopen(url, timeout=ASK_S) as answer:
        return model in [each["id"] for each in json.load(answer)["data"]]


def test_a_wide_ep_deployment_spans_pods_and_answers(api: Api) -> None:
    """The user's own manifest, scaled down: its commands, its ConfigMap, its API version."""
    wanted, others = scaled_wide_ep()
    name = wanted["metadata"]["name"]
    for each in others:
        plural = "configmaps" if each["kind"] == "ConfigMap" else "computedomains"
        group = "/api/v1" if plural == "configmaps" else "/apis/resource.nvidia.com/v1beta1"
        api.call("POST", f"{group}/namespaces/default/{plural}", each)
    api.call("POST", DEPLOYMENTS.replace("v1beta1", "v1alpha1"), wanted)

    until(lambda: api.ready(name).get("status") == "True", "Ready")
    until(lambda: listed(api, name, MODEL), "the model is listed")
    assert ask(api, name, MODEL, "Count from 3 to 7.") == "3, 4, 5, 6, 7"

    pods = api.pods(name)
    assert len(pods) == 5
    engines = [pod for pod in pods if "frontend" not in pod["metadata"]["name"]]
    assert len({pod["spec"]["nodeName"] for pod in engines}) == 4
    assert len({pod["status"]["podIP"] for pod in pods}) == 5
    (gang,) = api.items(GANGS, name)
    references = [r["name"] for group in gang["spec"]["podgroups"] for r in group["podReferences"]]
    assert sorted(references) == sorted(pod["metadata"]["name"] for pod in pods)
    assert gang["status"]["phase"] == "Running"
    for kind in ("prefill", "decode"):
        (leader,) = (p for p in engines if f"{kind}-ldr" in p["metadata"]["name"])
        lines = api.log(leader["metadata"]["name"]).splitlines()
        ranks = [line for line in lines if "run mgmn" in line]
        assert sorted(line.split()[0] for line in ranks) == [f"rank{n}" for n in range(8)]
        assert all("mpi_world_size: 8" in line for line in ranks)
        assert sum("Model init total" in line for line in lines) == 8
    api.delete(name)
    for path in (
        GANGS,
        *(f"{GROVE}/{k}" for k in ("podcliquesets", "podcliques")),
        f"{CORE}/secrets",
    ):
        until(lambda path=path: api.items(path, name) == [], f"{path} are gone")


def test_an_engine_that_refuses_its_parallelism_fails_as_the_real_one(api: Api) -> None:
    data = {"engine.yaml": "tensor_parallel_size: 4\n"}
    api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "small"}, "data": data})
    flags = ["--model-path", "Qwen/Qwen3-0.6B", "--extra-engine-args", "/conf/engine.yaml"]
    main = container(
        ["python3", "-m", "dynamo.trtllm"],
        4,
        args=flags,
        volumeMounts=[{"name": "conf", "mountPath": "/conf"}],
    )
    volumes = [{"name": "conf", "configMap": {"name": "small"}}]
    api.apply(deployment("two", component("engine", "worker", main, 2, volumes=volumes)))

    def told() -> bool:
        leaders = [p for p in api.pods("two") if "-ldr" in p["metadata"]["name"]]
        return bool(leaders) and any(
            state.get("restartCount", 0) > 0
            for state in leaders[0].get("status", {}).get("containerStatuses", [])
        )

    until(told, "the leader fails")
    (leader,) = (p["metadata"]["name"] for p in api.pods("two") if "-ldr" in p["metadata"]["name"])
    log = api.log(leader, "previous=true")
    assert "world_size 8 != tp_size 4 * pp_size 1 * cp_size 1" in log
    assert "Process name: [[1,1],0]\n  Exit code:    1" in log
    api.delete("two")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model-path", "acme/unheard-of"], "is no model that this engine knows"),
        (["--model-path", MODEL, "--tp-size", "4"], "unrecognized arguments: --tp-size 4"),
        (["--disaggregation-mode", "prefill_and_decode"], "invalid choice"),
        (["--model-path", MODEL, "--override-engine-args", "{"], "is no JSON"),
    ],
)
def test_a_bad_command_line_ends_the_worker_with_its_words(
    api: Api, flags: list[str], said: str
) -> None:
    main = container(["python3", "-m", "dynamo.trtllm"], 4, args=flags)
    api.apply(deployment("three", component("engine", "worker", main)))

    def log() -> str:
        found = [p for p in api.pods("three") if p.get("status", {}).get("containerStatuses")]
        restarted = [p for p in found if p["status"]["containerStatuses"][0]["restartCount"]]
        name = restarted[0]["metadata"]["name"] if restarted else ""
        return api.log(name, "previous=true") if name else ""

    assert said in until(log, "the container has ended")
    api.delete("three")


def test_a_gang_without_room_waits_as_a_whole(api: Api) -> None:
    api.apply(light("big", nodes=5, gpus=4))

    until(lambda: api.ready("big").get("reason") == "insufficient_capacity", "no room")
    assert not any(pod["spec"].get("nodeName") for pod in api.pods("big"))
    engine = next(pod["metadata"]["name"] for pod in api.pods("big") if "-wkr" in str(pod))
    (event,) = (e for e in api.events(engine) if e["reason"] == "FailedScheduling")
    assert event["message"] == "0/4 nodes are available: 4 Insufficient nvidia.com/gpu."
    api.delete("big")


def test_a_new_spec_is_observed_and_changes_the_pods(api: Api) -> None:
    api.apply(light("grows", gpus=1))
    until(lambda: api.ready("grows").get("status") == "True", "Ready")
    first = {pod["metadata"]["uid"] for pod in api.pods("grows")}

    found = api.deployment("grows") or {}
    found["spec"]["components"][1]["replicas"] = 2
    api.call("PUT", f"{DEPLOYMENTS}/grows", found)

    def whole() -> bool:
        ready = api.ready("grows")
        return (ready["status"], ready["observedGeneration"]) == ("True", 2)

    until(whole, "Ready again")
    pods = api.pods("grows")
    assert len(pods) == 5
    assert first <= {pod["metadata"]["uid"] for pod in pods}
    assert sorted(gang["metadata"]["name"] for gang in api.items(GANGS, "grows")) == [
        "grows-0",
        "grows-0-engine-0",
    ]
    api.delete("grows")


def test_a_fault_of_the_engine_is_shown_by_the_last_rank_of_the_last_worker(
    tmp_path: Path,
) -> None:
    shape, fault = K8sShape(nodes=2, gpus_per_node=2), "announces_a_wrong_world_size"
    with double(tmp_path, shape, fault=fault) as cluster:
        api = Api(cluster.kubeconfig)
        data = {"engine.yaml": "tensor_parallel_size: 2\n"}
        api.call("POST", f"{CORE}/configmaps", {"metadata": {"name": "small"}, "data": data})
        flags = ["--model-path", "Qwen/Qwen3-0.6B", "--extra-engine-args", "/conf/engine.yaml"]
        main = {"name": "main", "image": IMAGE, "command": ["python3", "-m", "dynamo.trtllm"]}
        main |= {"args": flags, "volumeMounts": [{"name": "conf", "mountPath": "/conf"}]}
        main |= {"resources": {"limits": {"nvidia.com/gpu": 1}}}
        volumes = [{"name": "conf", "configMap": {"name": "small"}}]
        parts = [component(name, "worker", main, 2, volumes=volumes) for name in ("one", "two")]
        api.apply(deployment("odd", *parts))

        def sizes(name: str) -> list[str]:
            for pod in api.pods("odd"):
                started = pod.get("status", {}).get("containerStatuses", [{}])[0].get("started")
                if f"{name}-ldr" in pod["metadata"]["name"] and started:
                    lines = api.log(pod["metadata"]["name"]).splitlines()
                    return sorted(line.split()[-2] for line in lines if "run mgmn" in line)
            return []

        until(lambda: len(sizes("one")) == len(sizes("two")) == 2, "all ranks have told")
        assert (sizes("one"), sizes("two")) == (["2", "2"], ["2", "4"])


def test_lws_takes_the_place_of_grove(tmp_path: Path) -> None:
    with double(tmp_path, K8sShape(nodes=2, gpus_per_node=2, orchestrator="lws")) as cluster:
        api = Api(cluster.kubeconfig)
        api.apply(light("one"))
        until(lambda: api.ready("one").get("status") == "True", "Ready")

        names = [pod["metadata"]["name"] for pod in api.pods("one")]
        assert names[:2] == ["one-engine-0", "one-engine-0-1"]
        (found,) = api.items(f"{LWS}/leaderworkersets", "one")
        assert found["spec"]["leaderWorkerTemplate"]["size"] == 2
        assert found["status"]["readyReplicas"] == 1
        assert api.call("GET", f"{GROVE}/podcliques") is None


def test_dynamo_finds_its_workers_through_the_api_alone(tmp_path: Path) -> None:
    """As installed by default: neither etcd nor NATS, but custom resources and EndpointSlices."""
    with double(tmp_path, K8sShape(nodes=1)) as cluster:
        api = Api(cluster.kubeconfig)
        flags = ["--model-path", "Qwen/Qwen3-0.6B", "--served-model-name", "small"]
        main = {"name": "main", "image": IMAGE, "command": ["python3", "-m", "dynamo.trtllm"]}
        engine = component("engine", "worker", main | {"args": flags})
        front = main | {"command": ["python3", "-m", "dynamo.frontend"]}
        wanted = deployment("api", component("frontend", "frontend", front), engine)
        api.apply(wanted)
        until(lambda: api.ready("api").get("status") == "True", "Ready")
        until(lambda: listed(api, "api", "small"), "the model is listed")

        assert ask(api, "api", "small", "Reply with the word raven.") == "raven"
        (found,) = api.items(METADATAS)
        (pod,) = (p["metadata"]["name"] for p in api.pods("api") if "engine" in str(p["spec"]))
        assert found["metadata"]["name"] == pod
        (instance,) = found["spec"]["data"]["endpoints"].values()
        assert (instance["namespace"], instance["component"]) == ("default-api", "backend")
        api.delete("api")
        until(lambda: api.items(METADATAS) == [], "they go with their pods")
