"""Passing means: the operator's double makes of a deployment what the real one would make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.minik8s import operator_grove, operator_lws
from fixtures.minik8s.api_dgd import converted
from fixtures.minik8s.faults import Faults
from fixtures.minik8s.image.mpirun import MpirunError, hosts_of_ranks, parse
from fixtures.minik8s.objects import PODS, Object, condition, set_conditions
from fixtures.minik8s.operator_commands import leader_and_worker, user_command
from fixtures.minik8s.operator_parts import Part, parts_of, template_of
from fixtures.minik8s.operator_status import verdict_of
from fixtures.minik8s.operator_wanted import HASH, Wanted
from fixtures.minik8s.scheduler import Refusal, Room, place

from .minik8s_rig import SLEEP, component, container, deployment

pytestmark = pytest.mark.selftest

TRTLLM = ["python3", "-m", "dynamo.trtllm"]


@pytest.fixture
def honest(tmp_path: Path) -> Faults:
    """No faults."""
    return Faults(tmp_path)


def stored(*components: Object, framework: str = "") -> Object:
    """A deployment as the API server would give it."""
    found = deployment("one", *components, framework=framework)
    found["metadata"] |= {"namespace": "here", "uid": "0", "generation": 1}
    return found


def worker(command: list[str], nodes: int, framework: str = "", **more: Any) -> Part:
    """The only component of a deployment."""
    main = {"name": "main", "image": "i:1.0.0", "command": command}
    main |= {"resources": {"limits": {"nvidia.com/gpu": 4}}, **more}
    (part,) = parts_of(stored(component("Engine", "worker", main, nodes), framework=framework))
    return part


def scripts(part: Part, orchestrator: str = "grove") -> tuple[str, str]:
    """What leader and worker pods run in their shell."""
    make = operator_grove if orchestrator == "grove" else operator_lws
    pod = template_of(part, stored(), "etcd")["spec"]
    pods = leader_and_worker(part, make.hosts_of(part), pod)
    mains = [each["containers"][0] for each in pods]
    assert all(main["command"] == ["/bin/sh", "-c"] for main in mains)
    (leader,), (other,) = (main["args"] for main in mains)
    return leader, other


def environment(pod: Object) -> dict[str, str]:
    """The plain variables of its container."""
    return {e["name"]: e["value"] for e in pod["spec"]["containers"][0]["env"] if "value" in e}


def pods_of(wanted: list[Wanted]) -> dict[str, Object]:
    """The pods by host name."""
    pods = [each.item for each in wanted if each.full == PODS]
    return {pod["spec"]["hostname"]: pod for pod in pods}


def test_mpirun_gets_a_rank_per_gpu_and_every_host() -> None:
    leader, other = scripts(worker([*TRTLLM, "--model-path", "a b"], 3))

    name = "$(GROVE_PCSG_NAME)-$(GROVE_PCSG_INDEX)-engine"
    hosts = [f"{name}-{each}.$(GROVE_HEADLESS_SERVICE)" for each in ("ldr-0", "wkr-0", "wkr-1")]
    assert f"-n 12 -H {','.join(hosts)} --mca pml ob1" in leader
    assert leader.endswith(
        "bash -c 'trtllm-llmapi-launch python3 -m dynamo.trtllm --model-path '\"'\"'a b'\"'\"''"
    )
    assert other.endswith("exec sshd -D -p 2222")


def test_hosts_of_a_leader_worker_set_are_made_from_its_leader() -> None:
    leader, _ = scripts(worker(TRTLLM, 2), "lws")

    assert "-H $(LWS_LEADER_ADDRESS),$(echo \"$LWS_LEADER_ADDRESS\" | sed 's/\\./-1\\./')" in leader


def test_workers_of_mpirun_only_have_to_listen() -> None:
    part = worker(TRTLLM, 2)
    spec = template_of(part, stored(), "etcd")["spec"]
    leader, other = leader_and_worker(part, operator_grove.hosts_of(part), spec)

    assert leader["containers"][0]["startupProbe"]["failureThreshold"] == 720
    assert leader["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/health"
    assert other["containers"][0]["readinessProbe"]["tcpSocket"] == {"port": 2222}
    assert "livenessProbe" not in other["containers"][0]


@pytest.mark.parametrize(
    ("command", "leads", "follows"),
    [
        (
            ["python3", "-m", "dynamo.vllm", "--model", "m"],
            "dynamo.vllm --model m --distributed-executor-backend mp --nnodes 2 --node-rank 0 "
            "--master-addr",
            "--node-rank $((GROVE_PCLQ_POD_INDEX + 1)) --master-addr",
        ),
        (
            ["python3", "-m", "dynamo.vllm", "--distributed-executor-backend", "ray"],
            "ray start --head --port=6379 && exec python3 -m dynamo.vllm",
            "exec ray start --address=",
        ),
        (
            ["python3", "-m", "dynamo.vllm", "--data-parallel-size", "16"],
            "--data-parallel-size-local 8 --data-parallel-start-rank 0",
            "--data-parallel-start-rank $(( 8 * $((GROVE_PCLQ_POD_INDEX + 1)) ))",
        ),
        (
            ["python3", "-m", "dynamo.sglang", "--tp-size", "8"],
            "--nnodes 2 --node-rank 0",
            "--nnodes 2 --node-rank $((GROVE_PCLQ_POD_INDEX + 1))",
        ),
    ],
    ids=["vllm mp", "vllm ray", "vllm data parallel", "sglang"],
)
def test_other_engines_get_their_flags(command: list[str], leads: str, follows: str) -> None:
    leader, other = scripts(worker(command, 2))

    assert leads in leader
    assert follows in other
    assert ("--headless" in other) == ("--master-addr" in other)


def test_a_shell_of_the_user_is_not_kept_around_the_command() -> None:
    main = container(["/bin/sh", "-c"], args=["exec python3 -m dynamo.vllm --tp 2"])
    assert user_command(main) == "exec python3 -m dynamo.vllm --tp 2"


def test_users_variables_stand_above_those_of_the_operator() -> None:
    part = worker(TRTLLM, 1, env=[{"name": "DYN_NAMESPACE", "value": "mine"}])
    pod = template_of(part, stored(), "etcd")

    found = environment(pod)
    assert found["DYN_NAMESPACE"] == "mine"
    assert found["DYN_SYSTEM_PORT"] == "9090"
    assert found["DYN_DISCOVERY_BACKEND"] == "etcd"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 60


def test_pods_of_grove_know_their_place(honest: Faults) -> None:
    item = stored(
        component("Frontend", "frontend", container(SLEEP)),
        component("Engine", "worker", container(SLEEP, 4), 2) | {"replicas": 2},
    )
    wanted = list(operator_grove.wanted(item, parts_of(item), "etcd", honest))

    pods = pods_of(wanted)
    assert list(pods) == [
        "one-0-frontend-0",
        "one-0-engine-0-engine-ldr-0",
        "one-0-engine-0-engine-wkr-0",
        "one-0-engine-1-engine-ldr-0",
        "one-0-engine-1-engine-wkr-0",
    ]
    last = environment(pods["one-0-engine-1-engine-wkr-0"])
    assert last["GROVE_PCSG_NAME"] == "one-0-engine"
    assert (last["GROVE_PCSG_INDEX"], last["GROVE_PCLQ_POD_INDEX"]) == ("1", "0")
    gangs = [pod["metadata"]["labels"]["grove.io/podgang"] for pod in pods.values()]
    assert gangs == ["one-0"] * 3 + ["one-0-engine-0"] * 2


def test_both_api_versions_make_the_same_pods(honest: Faults) -> None:
    beta = stored(component("engine", "worker", container(SLEEP, 4), 2), framework="trtllm")
    alpha = converted(beta, "v1alpha1")
    assert alpha["spec"]["services"]["engine"]["resources"]["limits"] == {"gpu": "4"}

    made = [
        pods_of(list(operator_grove.wanted(each, parts_of(each), "etcd", honest)))
        for each in (beta, alpha)
    ]
    assert made[0] == made[1]


def pod(name: str, hash_: str = "h", **status: Any) -> Object:
    """A pod of the engine."""
    labels = {"nvidia.com/dynamo-component": "Engine", HASH: hash_}
    spec = {"nodeName": "n1", "containers": [{"name": "main"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def with_condition(kind: str, holds: bool, **more: str) -> Object:
    """A status with one condition."""
    status: Object = {}
    set_conditions(status, "now", condition(kind, holds, **more))
    return status


READY = with_condition("Ready", True)
NO_ROOM = with_condition("PodScheduled", False, message="0/8 nodes are available")


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        ([], "some_resources_are_not_ready"),
        ([pod("a", **READY)], "some_resources_are_not_ready"),
        ([pod("a", **READY), pod("b")], "pods_not_ready"),
        ([pod("a", **READY), pod("b", **NO_ROOM)], "insufficient_capacity"),
        ([pod("a", **READY), pod("b", "old", **READY)], "updating"),
        ([pod("a", **READY), pod("b", **READY)], "all_resources_are_ready"),
    ],
)
def test_the_reason_says_what_is_missing(pods: list[Object], reason: str) -> None:
    verdict = verdict_of([worker(TRTLLM, 2)], pods, {"h"})
    assert (verdict.reason, verdict.ready) == (reason, reason == "all_resources_are_ready")


def room(name: str, free: int, product: str = "GB200") -> Room:
    """A node of that product."""
    return Room(name, {"product": product}, free)


def gpu_pod(gpus: int, worker_name: str = "") -> Object:
    """A pod that asks for GPUs of one product."""
    found = pod("p")
    found["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    found["spec"]["nodeSelector"] = {"product": "GB200"}
    names = {"name": worker_name, "group-index": "0"} if worker_name else {}
    for name, value in names.items():
        found["metadata"]["labels"][f"leaderworkerset.sigs.k8s.io/{name}"] = value
    return found


def test_a_pod_goes_where_it_fits_and_else_hears_why() -> None:
    rooms = [room("a", 2), room("b", 4, "H100"), room("c", 4)]
    found = place(gpu_pod(4, "w"), rooms)
    assert isinstance(found, Room)
    assert found.name == "c"
    found.workers.add("w-0")

    refused = place(gpu_pod(4, "w"), rooms)
    assert isinstance(refused, Refusal)
    assert str(refused) == (
        "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, "
        "1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) didn't match pod anti-affinity rules."
    )


def test_ranks_are_spread_evenly_over_hosts() -> None:
    assert hosts_of_ranks(["a", "b"], 4, oversubscribe=True) == ["a", "a", "b", "b"]
    assert hosts_of_ranks(["a:1", "b:2"], 3, oversubscribe=False) == ["a", "b", "b"]
    with pytest.raises(MpirunError, match="not enough slots"):
        hosts_of_ranks(["a", "b"], 4, oversubscribe=False)


def test_mpirun_reads_what_the_operator_writes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--allow-run-as-root", "--oversubscribe", "-n", "8", "-H", "a,b", "--mca", "pml"]
    options = parse([*words, "ob1", "-x", "HOME", "bash", "-c", "trtllm-llmapi-launch x -n 3"])

    assert (options.size, options.hosts, options.exported) == (8, "a,b", ["HOME"])
    assert options.command == ["bash", "-c", "trtllm-llmapi-launch x -n 3"]
    with pytest.raises(SystemExit):
        parse(["-n", "2", "-H", "a", "--unheard-of", "x", "true"])
    assert "mpirun" in capsys.readouterr().err
