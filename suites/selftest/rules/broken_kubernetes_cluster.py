"""Valid DynamoGraphDeployments, and the same with one thing wrong around them in the cluster."""

from __future__ import annotations

from hypothesis import strategies as st

from fixtures.model.topology import Topology

from .broken_kubernetes import Shape, shapes
from .cases_kubernetes_cluster import domain, operator
from .manifests import IMAGES
from .pairs import Breaks, Pair

_CLAIM = [{"name": "channel", "resourceClaimTemplateName": "channel"}]
_TIMEOUTS = (
    "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS",
    "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT",
    "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS",
)
_EFA = "vpc.amazonaws.com/efa"


@st.composite
def _domains(draw: st.DrawFn) -> Pair:
    shape, replicas = draw(shapes()), draw(st.integers(1, 4))
    right = shape.nodes * replicas
    wrong = draw(st.integers(1, 40).filter(lambda nodes: nodes != right))
    joined = {"POD|resourceClaims": _CLAIM, "W|replicas": replicas}
    elastic = draw(st.sampled_from((0, right)))
    return shape.topology(joined, domain(elastic)), shape.topology(joined, domain(wrong))


@st.composite
def _graces(draw: st.DrawFn) -> Pair:
    shape, name = draw(shapes()), draw(st.sampled_from(_TIMEOUTS))
    timeout = draw(st.integers(1, 3600))
    environment = {"MAIN|env": [{"name": name, "value": str(timeout)}]}
    key = "POD|terminationGracePeriodSeconds"
    long, short = draw(st.integers(timeout + 1, 7200)), draw(st.integers(1, timeout))
    return shape.topology({**environment, key: long}), shape.topology({**environment, key: short})


@st.composite
def _probes(draw: st.DrawFn) -> Pair:
    shape, period = draw(shapes()), draw(st.integers(1, 30))

    def probe(failures: int) -> Topology:
        stated = {"periodSeconds": period, "failureThreshold": failures}
        return shape.topology({"MAIN|startupProbe": stated})

    return probe(draw(st.integers(1200, 2000))), probe(draw(st.integers(1, 60 // period)))


@st.composite
def _planes(draw: st.DrawFn) -> Pair:
    shape = draw(shapes())
    plane, service, address, value = draw(
        st.sampled_from(
            (
                ("DYN_REQUEST_PLANE", "nats", "NATS_SERVER", "nats://nats.system:4222"),
                ("DYN_EVENT_PLANE", "nats", "NATS_SERVER", "nats://nats.system:4222"),
                ("DYN_DISCOVERY_BACKEND", "etcd", "ETCD_ENDPOINTS", "http://etcd.system:2379"),
            )
        )
    )
    chosen = {"name": plane, "value": service}
    addressed = [chosen, {"name": address, "value": value}]
    return shape.topology({"spec|envs": addressed}), shape.topology({"spec|envs": [chosen]})


@st.composite
def _floors(draw: st.DrawFn) -> Pair:
    shape = draw(shapes())
    image, right, wrong = draw(
        st.sampled_from(
            (
                ("ai-dynamo/grove-operator", "v0.1.0-alpha.11", "v0.1.0-alpha.10"),
                ("nvidia/kai-scheduler/operator", "v0.13.4", "v0.13.3"),
                ("lws/lws", "v0.7.0", "v0.6.1"),
            )
        )
    )
    good, bad = (operator("part", f"registry.example/{image}:{tag}") for tag in (right, wrong))
    return shape.topology({}, good), shape.topology({}, bad)


@st.composite
def _launchers(draw: st.DrawFn) -> Pair:
    shape = draw(shapes(least_nodes=2))
    tensor = shape.nodes * shape.gpus
    flags = f"--model-path {shape.model} --tensor-parallel-size {tensor}"
    module = ["python3", "-m", "dynamo.trtllm"]
    launcher = draw(st.sampled_from((["mpirun", "-n", str(tensor)], ["trtllm-llmapi-launch"])))
    image = f"{IMAGES}/tensorrtllm-runtime:1.4.0"
    told = {f"{shape.frontend}|image": image, "MAIN|image": image, "MAIN|args": flags.split()}
    return shape.topology({**told, "MAIN|command": module}), shape.topology(
        {**told, "MAIN|command": [*launcher, *module]}
    )


@st.composite
def _mounts(draw: st.DrawFn) -> Pair:
    shape, root = draw(shapes()), draw(st.sampled_from(("/models", "/mnt/weights")))
    local = Shape(shape.alpha, shape.nodes, shape.gpus, f"{root}/{shape.model}")
    mounted = [{"name": "weights", "mountPath": root}]
    both = {"MAIN|volumeMounts": mounted, f"{shape.frontend}|volumeMounts": mounted}
    return local.topology(both), local.topology({**both, f"{shape.frontend}|volumeMounts": None})


@st.composite
def _devices(draw: st.DrawFn) -> Pair:
    drawn = draw(shapes())
    shape = Shape(drawn.alpha, drawn.nodes, 4, drawn.model)
    custom = "W|resources|limits|custom" if shape.alpha else "MAIN|resources|limits"
    on = {"POD|nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-GB200"}}
    some = draw(st.integers(1, 3))
    return shape.topology({**on, f"{custom}|{_EFA}": "4"}), shape.topology(
        {**on, f"{custom}|{_EFA}": str(some)}
    )


BREAKS: Breaks = {
    "K8S-006": _domains(),
    "K8S-008": _graces(),
    "K8S-009": _probes(),
    "K8S-011": _planes(),
    "K8S-012": _floors(),
    "K8S-013": _launchers(),
    "K8S-014": _mounts(),
    "K8S-015": _devices(),
}
