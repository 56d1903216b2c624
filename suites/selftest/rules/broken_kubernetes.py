"""Valid DynamoGraphDeployments of many sizes, and the same with one thing wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fixtures.config.yaml_source import parse_yaml_documents
from fixtures.loaders.kubernetes import FORMAT
from fixtures.model.topology import Topology

from .manifests import IMAGES, Changes, alpha, beta, text
from .pairs import Breaks, Pair

_FILE = Path("deploy.yaml")
_MODELS = ("meta-llama/Llama-3.1-70B-Instruct", "nvidia/Llama-3.1-405B-Instruct-FP8")


@dataclass(frozen=True)
class Shape:
    """One worker of a drawn size, in either API version; vLLM unless it says otherwise."""

    alpha: bool
    nodes: int
    gpus: int
    model: str

    @property
    def gpu_key(self) -> str:
        """The path of the worker's GPU limit."""
        return "W|resources|limits|gpu" if self.alpha else "MAIN|resources|limits|nvidia.com/gpu"

    @property
    def frontend(self) -> str:
        """The path of the frontend's container."""
        inside = "extraPodSpec|mainContainer" if self.alpha else "podTemplate|spec|containers|0"
        return f"F|{inside}"

    def text(self, changes: Changes | None = None, *, flags: str = "", tensor: int = 0) -> str:
        """The manifest, with these changes and further flags of the worker."""
        size: dict[str, Any] = {
            "W|multinode": {"nodeCount": self.nodes} if self.nodes > 1 else None,
            self.gpu_key: str(self.gpus) if self.alpha else self.gpus,
        }
        tensor = tensor or self.nodes * self.gpus
        arguments = f"--model {self.model} --tensor-parallel-size {tensor} {flags}"
        return (alpha if self.alpha else beta)({**size, **(changes or {})}, args=arguments)

    def topology(
        self, changes: Changes | None = None, *beside: str, flags: str = "", tensor: int = 0
    ) -> Topology:
        """The last deployment of a file that holds these documents before it."""
        return loaded(*beside, self.text(changes, flags=flags, tensor=tensor))


def loaded(*texts: str) -> Topology:
    """The last topology of a file that exists only in memory."""
    documents = parse_yaml_documents("---\n".join(texts), _FILE)
    return FORMAT.load(_FILE, documents)[-1]


@st.composite
def shapes(draw: st.DrawFn, least_nodes: int = 1) -> Shape:
    """Sizes that divide the heads of either model, and have room for its weights."""
    nodes = draw(st.sampled_from([count for count in (1, 2, 4) if count >= least_nodes]))
    gpus = draw(st.sampled_from((4, 8)))
    return Shape(draw(st.booleans()), nodes, gpus, draw(st.sampled_from(_MODELS)))


@st.composite
def _sizes(draw: st.DrawFn) -> Pair:
    shape = draw(shapes())
    right = shape.nodes * shape.gpus
    wrong = draw(st.sampled_from((1, 2, 4, 8, 16, 32, 64)).filter(lambda size: size != right))
    return shape.topology(), shape.topology(tensor=wrong)


@st.composite
def _types(draw: st.DrawFn) -> Pair:
    shape = draw(shapes(least_nodes=2))
    wrong: list[Changes] = [
        {"W|multinode|nodeCount": value} for value in (str(shape.nodes), 0, -1, 2.0, True, "two")
    ]
    wrong += [{"W|multinode|nodeCount": "{{ .Values.nodes }}"}]
    wrong += [{shape.gpu_key: shape.gpus}] if shape.alpha else [{"W|multinode|nodeCount": 1}]
    return shape.topology(), shape.topology(draw(st.sampled_from(wrong)))


@st.composite
def _limits(draw: st.DrawFn) -> Pair:
    shape = draw(shapes())
    around = "W|resources" if shape.alpha else "MAIN|resources"
    others = draw(st.sampled_from((None, {"limits": {"memory": "500Gi"}}, {"limits": {"cpu": 8}})))
    return shape.topology(), shape.topology({around: others})


@st.composite
def _names(draw: st.DrawFn) -> Pair:
    # The longest of the two components, Frontend, has 8 characters.
    shape, short = draw(shapes()), draw(st.integers(1, 37))
    long = draw(st.integers(38, 60))
    return shape.topology({"metadata|name": "l" * short}), shape.topology(
        {"metadata|name": "l" * long}
    )


@st.composite
def _schedulers(draw: st.DrawFn) -> Pair:
    shape, queue = draw(shapes()), draw(st.sampled_from(("dynamo", "default")))
    both = {"nvidia.com/kai-scheduler-queue": queue, "nvidia.com/volcano-queue": queue}
    kept = draw(st.sampled_from(sorted(both)))
    valid = shape.topology({"metadata|annotations": {kept: both[kept]}})
    return valid, shape.topology({"metadata|annotations": both})


@st.composite
def _roles(draw: st.DrawFn) -> Pair:
    shape = draw(shapes())
    tensor = shape.nodes * shape.gpus

    def pair(told: str) -> Topology:
        workers = {
            "prefill": _worker(shape, "prefill", tensor, "prefill"),
            "decode": _worker(shape, "decode", tensor, told),
        }
        return loaded(_pair(shape, workers))

    return pair("decode"), pair(draw(st.sampled_from(("prefill", "agg", "encode"))))


def _worker(shape: Shape, role: str, tensor: int, told: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": f"{IMAGES}/vllm-runtime:1.4.0",
        "command": ["python3", "-m", "dynamo.vllm"],
        "args": f"--model {shape.model} --tensor-parallel-size {tensor}"
        f" --disaggregation-mode {told}".split(),
    }
    many = {"multinode": {"nodeCount": shape.nodes}} if shape.nodes > 1 else {}
    if shape.alpha:
        return {
            "componentType": "worker",
            "subComponentType": role,
            "resources": {"limits": {"gpu": str(shape.gpus)}},
            "extraPodSpec": {"mainContainer": container},
            **many,
        }
    container["resources"] = {"limits": {"nvidia.com/gpu": shape.gpus}}
    pod = {"spec": {"containers": [container]}}
    return {"name": role, "type": role, "podTemplate": pod, **many}


def _pair(shape: Shape, workers: dict[str, dict[str, Any]]) -> str:
    listed: Any = workers if shape.alpha else list(workers.values())
    return text(
        {
            "apiVersion": f"nvidia.com/{'v1alpha1' if shape.alpha else 'v1beta1'}",
            "kind": "DynamoGraphDeployment",
            "metadata": {"name": "pair"},
            "spec": {"services" if shape.alpha else "components": listed},
        }
    )


@st.composite
def _images(draw: st.DrawFn) -> Pair:
    shape, release = draw(shapes()), draw(st.sampled_from(("1.5.0", "1.5.1", "1.6.2")))
    good = f"{IMAGES}/vllm-runtime:{release}"
    bad = draw(st.sampled_from((None, f"{IMAGES}/vllm-runtime:latest", "registry.example/vllm")))
    images = {f"{shape.frontend}|image": good, "MAIN|image": good}
    return shape.topology(images), shape.topology({**images, "MAIN|image": bad})


@st.composite
def _revisions(draw: st.DrawFn) -> Pair:
    shape = draw(shapes())
    before = shape.text()
    kind = "componentType" if shape.alpha else "type"
    image = f"{IMAGES}/vllm-runtime:1.5.0"
    images = {f"{shape.frontend}|image": image, "MAIN|image": image}
    wrong: tuple[Changes, ...] = (
        {"W|minAvailable": 1},
        {"spec|backendFramework": "vllm"},
        {**images, f"F|{kind}": "planner"},
    )
    scaled = {"W|replicas": draw(st.integers(1, 9))}
    return shape.topology({**images, **scaled}, before), shape.topology(
        {**images, **draw(st.sampled_from(wrong))}, before
    )


@st.composite
def _multi_node_names(draw: st.DrawFn) -> Pair:
    shape, name = draw(shapes(least_nodes=2)), draw(st.sampled_from(("a-multi-node", "multinode")))
    alone = Shape(shape.alpha, 1, shape.gpus, shape.model)
    return shape.topology({"metadata|name": name}), alone.topology({"metadata|name": name})


BREAKS: Breaks = {
    "K8S-001": _sizes(),
    "K8S-002": _types(),
    "K8S-003": _limits(),
    "K8S-004": _names(),
    "K8S-005": _schedulers(),
    "K8S-007": _roles(),
    "K8S-010": _images(),
    "K8S-016": _revisions(),
    "K8S-017": _multi_node_names(),
}
