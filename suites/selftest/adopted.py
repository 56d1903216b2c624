"""A plugin for tests: the checks judge a deployment that somebody else has started.

`ADOPTED` in the environment is a JSON object: the id of the job, the directory in which the
script of `--dry-run` keeps logs and specs, and the address of the frontend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import fixtures.run
from fixtures.clients.slurm import SlurmClient
from fixtures.clients.slurm_parse import launch_layout
from fixtures.ground import Ground
from fixtures.launchers.base import LaunchRequest, Prepared
from fixtures.launchers.slurm_allocation import scheduler_environment
from fixtures.launchers.slurm_argv import StepPlan, srun
from fixtures.launchers.slurm_plan import slurm_of
from fixtures.model.deployment import (
    DeploymentRecord,
    EarlyEnd,
    NodeAccess,
    Readiness,
    WorkerPlan,
    WorkerRecord,
)
from fixtures.model.stop import CloseRecord
from fixtures.placement import plan_workers
from fixtures.settings import Settings

VARIABLE = "ADOPTED"


class Adopted:
    """A deployment as the outputs of its script describe it; it is not ours to stop."""

    def __init__(self, request: LaunchRequest, workers: Sequence[WorkerPlan]) -> None:
        said = json.loads(os.environ[VARIABLE])
        directory = Path(said["directory"])
        namespace = json.loads((directory / f"{workers[0].name}.json").read_text())["namespace"]
        slurm = slurm_of(request.site)
        nodes = tuple(dict.fromkeys(slot.node for plan in workers for slot in plan.slots))
        look = StepPlan("adopted-look", nodes, 1, ())
        access = NodeAccess(
            command=srun(look, said["job_id"], slurm),
            environment=tuple(scheduler_environment(request.run_id).items()),
            nodes=nodes,
            python=slurm.python or os.environ["PYTHON"],
            deadline_s=slurm.call_s,
        )
        host = urlsplit(said["frontend"]).hostname
        self.record = DeploymentRecord(
            topology=request.topology.name,
            namespace=namespace,
            generation=request.generation,
            served_model_name=request.topology.served_model_name,
            frontend_url=said["frontend"],
            origins=(("all", "started by a script"),),
            etcd_url=f"http://{host}:{slurm.ports.etcd}",
            workers=tuple(_worker(directory, plan) for plan in workers),
            lease_ttl_s=request.site.lease_ttl_s,
            request_deadline_s=request.site.deadlines.request_s,
            readiness=Readiness(()),
            access=access,
        )

    def ended_early(self) -> Sequence[EarlyEnd]:
        """Nobody of ours can end."""
        return ()

    def close(self, *, hurry: bool) -> CloseRecord:
        """Leave it as it is."""
        del hurry
        return CloseRecord((), (), (), (), 0.0, "", (), self.record.lease_ttl_s)


def _worker(directory: Path, plan: WorkerPlan) -> WorkerRecord:
    spec = json.loads((directory / f"{plan.name}.json").read_text())
    log = directory / f"{plan.name}.log"
    layout = launch_layout(log.read_text(errors="replace"))
    url = f"http://{spec['rendezvous_host']}:{spec['system_port']}/metrics"
    return WorkerRecord(plan, url, (str(log),), layout.step if layout else "", layout)


class Adopting:
    """A launcher that launches nothing."""

    def prepare(self, request: LaunchRequest) -> Prepared:
        """The plan of the script: workers take the nodes of the job in their order."""
        said = json.loads(os.environ[VARIABLE])
        client = SlurmClient(scheduler_environment(request.run_id), slurm_of(request.site).call_s)
        job = client.job(said["job_id"])[0]
        return Prepared(plan_workers(request.topology, job.nodes if job else ()))

    def launch(self, request: LaunchRequest, prepared: Prepared) -> Adopted:
        """Take over what runs."""
        return Adopted(request, prepared.workers)

    def finish(self) -> tuple[str, ...]:
        """There is nothing to give back."""
        return ()


def _adopting(_settings: Settings, _ground: Ground) -> Adopting:
    return Adopting()


fixtures.run.launcher_of = _adopting
