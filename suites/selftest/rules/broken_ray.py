"""Valid vLLM workers that Ray places, and the same with one thing broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from fixtures.model.topology import Topology

from .broken_parallelism_vllm import changed, deployed, on_nodes, role, settings
from .pairs import Breaks, Pair

_ADDRESS = st.builds("10.{}.{}.{}".format, *(st.integers(1, 250) for _ in range(3)))


def _placed(nodes: int, **raw: Any) -> Topology:
    """One worker as large as its Ray cluster."""
    worker = role("aggregated", "vllm", {**_sizes(nodes), **raw}, nodes)
    return replace(deployed(worker), orchestrator="ray")


def _sizes(nodes: int) -> dict[str, Any]:
    return {
        "tensor_parallel_size": 8,
        "pipeline_parallel_size": nodes,
        "distributed_executor_backend": "ray",
    }


def _with(topology: Topology, **environment: str) -> Topology:
    """The same with variables in the environment of its first role."""
    first, *others = topology.roles
    return replace(topology, roles=(replace(first, environment=settings(**environment)), *others))


SEVERAL = st.integers(2, 6)


@st.composite
def _several_nodes(draw: st.DrawFn) -> Pair:
    nodes = draw(SEVERAL)
    valid = _placed(nodes)
    return valid, changed(valid, nnodes=nodes)


@st.composite
def _too_small(draw: st.DrawFn) -> Pair:
    nodes = draw(SEVERAL)
    valid = _placed(nodes)
    fewer = on_nodes(valid, draw(st.integers(1, nodes - 1)))
    larger = changed(valid, tensor_parallel_size=8 * draw(st.integers(2, 4)))
    return valid, draw(st.sampled_from((fewer, larger)))


@st.composite
def _shared(draw: st.DrawFn) -> Pair:
    nodes, address = draw(st.integers(1, 3)), f"{draw(_ADDRESS)}:6379"
    environment = settings(RAY_ADDRESS=address)
    roles = [
        replace(
            role(name, "vllm", _sizes(nodes), nodes, draw(st.integers(1, 2))),
            environment=environment,
        )
        for name in ("prefill", "decode")
    ]
    valid = replace(deployed(*roles), orchestrator="ray")
    fewer = draw(st.integers(nodes, (valid.nodes_needed or 0) - 1))
    return valid, replace(valid, allocation_nodes=fewer)


@st.composite
def _host_address(draw: st.DrawFn) -> Pair:
    valid = _placed(draw(SEVERAL))
    if draw(st.booleans()):
        valid = _with(valid, VLLM_HOST_IP="$(hostname -i)")
    return valid, _with(valid, VLLM_HOST_IP=draw(_ADDRESS))


@st.composite
def _bundles(draw: st.DrawFn) -> Pair:
    nodes = draw(SEVERAL)
    good: list[dict[str, int]] = [{"GPU": 1, "CPU": 1} for _ in range(nodes * 8)]
    valid = _placed(nodes, placement_group_bundles=good)
    bad = [*good, {"GPU": draw(st.integers(2, 8))}]
    return valid, changed(valid, placement_group_bundles=bad)


@st.composite
def _visible(draw: st.DrawFn) -> Pair:
    valid = _with(_placed(draw(SEVERAL)), CUDA_VISIBLE_DEVICES="0,1,2,3,4,5,6,7")
    fewer = ",".join(str(index) for index in range(draw(st.integers(1, 7))))
    return valid, _with(valid, CUDA_VISIBLE_DEVICES=fewer)


@st.composite
def _service(draw: st.DrawFn) -> Pair:
    tensor = draw(st.sampled_from((1, 2, 4, 8)))
    asked = draw(st.integers(1, 16).filter(lambda gpus: gpus != tensor))

    def graph(gpus: int) -> Topology:
        service = {"workers": 1, "resources": {"gpu": str(gpus)}}
        raw = {"tensor_parallel_size": tensor, "ServiceArgs": service}
        worker = replace(role("aggregated", "vllm", raw, None), label="VllmWorker")
        topology = deployed(worker)
        return replace(topology, system=None, format="dynamo_serve", orchestrator="serve")

    return graph(tensor), graph(asked)


BREAKS: Breaks = {
    "RAY-001": _several_nodes(),
    "RAY-002": _too_small(),
    "RAY-003": _shared(),
    "RAY-004": _host_address(),
    "RAY-005": _bundles(),
    "RAY-006": _visible(),
    "RAY-007": _service(),
}
