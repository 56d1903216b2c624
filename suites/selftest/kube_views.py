"""Deployments on Kubernetes as an honest cluster would describe them, and ways to spoil them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fixtures.config.load import load_topology
from fixtures.launchers.kubernetes_render import Rendered, one_domain, render
from fixtures.launchers.kubernetes_render_names import fitting_name
from fixtures.model.kubernetes import (
    ComponentPlan,
    Condition,
    GangView,
    KubeAccess,
    KubeNode,
    KubeRecord,
    KubeView,
    PodView,
)
from fixtures.model.manifest import BETA
from fixtures.model.topology import Site, Topology

from .kube_sites import IMAGE, RELEASE, kube_site

DISAGGREGATED, SINGLE_NODE = "deepseek-r1-wide-ep-disagg", "deepseek-r1-mtp-disagg"
ACCESS = KubeAccess("/nowhere/config", "", "dynamo", 5.0)
LWS = "leaderworkerset.sigs.k8s.io"
_SSH = "mkdir -p ~/.ssh && cp /ssh-pk/private.key ~/.ssh/id_rsa && chmod 600 ~/.ssh/id_rsa"


@dataclass(frozen=True, slots=True)
class Case:
    """A deployment: what was asked for, what was applied, and what the cluster shows."""

    topology: Topology
    record: KubeRecord
    view: KubeView

    def changed(self, **values: Any) -> Case:
        """The same with other facts of the view."""
        return replace(self, view=replace(self.view, **values))

    def recorded(self, **values: Any) -> Case:
        """The same with other facts of the record."""
        return replace(self, record=replace(self.record, **values))

    def pod(self, name: str, **values: Any) -> Case:
        """The same with one pod changed; `name` is the end of its name."""
        (found,) = [each for each in self.view.pods if each.name.endswith(name)]
        changed = replace(found, **values)
        return self.changed(pods=tuple(changed if p is found else p for p in self.view.pods))

    def without(self, name: str) -> Case:
        """The same without one pod."""
        left = tuple(each for each in self.view.pods if not each.name.endswith(name))
        assert len(left) == len(self.view.pods) - 1
        return self.changed(pods=left)

    def with_pod(self, like: str, **values: Any) -> Case:
        """The same with one pod more, like the one whose name ends so."""
        (found,) = [each for each in self.view.pods if each.name.endswith(like)]
        more = replace(found, **{"name": f"{found.name}-new", "uid": "new", **values})
        return self.changed(pods=(*self.view.pods, more))

    def clique(self, node: int, value: str | None) -> Case:
        """The same with the NVLink domain of one node changed; None takes its label away."""
        nodes = list(self.view.nodes)
        labels = {} if value is None else {"nvidia.com/gpu.clique": value}
        nodes[node] = replace(nodes[node], labels=labels)
        return self.changed(nodes=tuple(nodes))

    def live(self, *keys: str | int, value: Any) -> Case:
        """The same with something else in the live spec, under these keys."""
        spec = json.loads(json.dumps(self.view.spec))
        around = spec
        for key in keys[:-1]:
            around = around[key]
        if value is None:
            del around[keys[-1]]
        else:
            around[keys[-1]] = value
        return self.changed(spec=spec)


def case(
    name: str = DISAGGREGATED,
    *,
    api: str = BETA,
    orchestrator: str = "grove",
    replicas: int = 1,
    site: Site | None = None,
) -> Case:
    """An honest deployment of a shipped topology; `orchestrator` "" for pods without a gang."""
    topology = load_topology(name)
    roles = tuple(replace(role, workers=replicas) for role in topology.roles)
    topology = replace(topology, roles=roles)
    rendered = render(
        topology,
        site or kube_site(),
        name=fitting_name(f"acc-{name}", topology),
        namespace="dynamo",
        api=api,
        deployment_mark="acc-1",
        environment={},
    )
    pods = tuple(_pods(rendered, orchestrator))
    view = KubeView(
        rendered.name,
        api,
        generation=2,
        observed_generation=2,
        state="successful",
        conditions=(Condition("Ready", "True", "all_resources_are_ready", "", 2),),
        spec=rendered.deployment["spec"],
        pods=pods,
        nodes=_nodes(pods),
        gangs=tuple(_gangs(rendered, orchestrator)),
        endpoints=1,
    )
    return Case(topology, record_of(rendered, topology), view)


def record_of(rendered: Rendered, topology: Topology) -> KubeRecord:
    """What the launcher would have written down."""
    return KubeRecord(
        access=ACCESS,
        name=rendered.name,
        api=rendered.api,
        applied=rendered.applied,
        plans=rendered.plans,
        domain=one_domain(topology),
        gpu_resource="nvidia.com/gpu",
    )


def leader_command(plan: ComponentPlan, user: Sequence[str]) -> tuple[str, ...]:
    """What the operator makes of a user's command on the leader of several nodes."""
    hosts = ",".join(f"$(GROVE_PCSG_NAME)-{plan.name}-{rank}" for rank in range(plan.node_count))
    inner = shlex.quote(f"trtllm-llmapi-launch {shlex.join(user)}")
    mpi = f"mpirun --oversubscribe -n {plan.ranks} -H {hosts} --mca pml ob1"
    return (f'{_SSH} && {mpi} --mca plm_rsh_args "-p 2222" -x PATH bash -c {inner}',)


def _pods(rendered: Rendered, orchestrator: str) -> list[PodView]:
    found: list[PodView] = []
    node = 0
    for plan in rendered.plans:
        for replica in range(plan.replicas):
            for rank in range(plan.node_count):
                found.append(_pod(rendered, plan, replica, rank, node, orchestrator))
                node += 1 if plan.gpus else 0
    return found


def _pod(
    rendered: Rendered, plan: ComponentPlan, replica: int, rank: int, node: int, orchestrator: str
) -> PodView:
    command: tuple[str, ...] = ("/bin/sh", "-c")
    if plan.node_count == 1:
        command, args = plan.words[:3], plan.words[3:]
    elif rank == 0:
        args = leader_command(plan, plan.words)
    else:
        args = (f"{_SSH} && exec /usr/sbin/sshd -D -p 2222",)
    name = f"{rendered.name}-{plan.name}-{replica}-{rank}"
    return PodView(
        name=name,
        uid=f"uid-{name}",
        component=plan.name,
        replica=str(replica),
        rank=rank,
        node=f"node{node:02d}",
        phase="Running",
        ready=True,
        restarts=0,
        gpus=plan.gpus,
        command=command,
        args=args,
        image=f"{IMAGE}:{RELEASE}",
        labels=_labels(rendered, plan, replica, rank, orchestrator),
        claims=(f"{rendered.name}-channel",) if len(rendered.documents) > 2 and plan.gpus else (),
    )


def _labels(
    rendered: Rendered, plan: ComponentPlan, replica: int, rank: int, orchestrator: str
) -> dict[str, str]:
    own = {"nvidia.com/dynamo-component": plan.name, "app.kubernetes.io/name": rendered.name}
    if orchestrator == "grove":
        own["grove.io/podgang"] = f"{rendered.name}-{replica}"
    if orchestrator == "lws":
        own[f"{LWS}/name"] = f"{rendered.name}-{plan.name}"
        own |= {f"{LWS}/group-index": str(replica), f"{LWS}/worker-index": str(rank)}
    return own


def _gangs(rendered: Rendered, orchestrator: str) -> list[GangView]:
    spanning = [plan for plan in rendered.plans if plan.node_count > 1]
    most = max((plan.replicas for plan in spanning), default=0)
    if orchestrator == "grove":
        size = sum(plan.node_count for plan in spanning)
        name = rendered.name
        return [GangView("PodGang", f"{name}-{i}", size, size, "Running") for i in range(most)]
    if orchestrator == "lws":
        return [
            GangView("LeaderWorkerSet", f"{rendered.name}-{plan.name}-{i}", size, size)
            for plan in spanning
            for size in (plan.node_count,)
            for i in range(plan.replicas)
        ]
    return []


def _nodes(pods: Sequence[PodView]) -> tuple[KubeNode, ...]:
    names = [*sorted({pod.node for pod in pods}), "spare"]
    labels = {"nvidia.com/gpu.product": "NVIDIA-GB200", "nvidia.com/gpu.clique": "rack1.0"}
    return tuple(KubeNode(name, True, True, 4, labels) for name in names)
