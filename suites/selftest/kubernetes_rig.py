"""Runs of the suite on a Kubernetes cluster, as a user starts them: KUBECONFIG says which.

Where the environment names a site of a real cluster (ACCEPTANCE_K8S_SITE, with KUBECONFIG), the
tests run there. Else they start a double; the run cannot tell.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients.kubernetes import KubeClient, place_of
from fixtures.clients.kubernetes_kinds import NODES, labels, text
from fixtures.clients.kubernetes_view import owning_collections
from fixtures.launchers.kubernetes_render import DEPLOYMENT_LABEL
from fixtures.launchers.place import run_name
from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.minik8s.cluster import ImageSettings, K8sShape, MiniK8s
from fixtures.model.kubernetes import KubeAccess

from .runs import HERE, ROOT, TINY_DISAGG, SuiteRun, command
from .slurm_rig import WITHOUT_OTHERS, Running, login_environment
from .test_interrupts import marked

QUICK_K8S = HERE / "sites" / "quick-k8s.yaml"
LIVE = ("-m", "gb200 and not static")
"""What needs a deployment: rules read files alone, so they have nothing to say about a cluster."""
FEW = ("suites/preflight", "suites/launch", "suites/shutdown")
"""The suites that look at the cluster; what the frontend answers is judged elsewhere."""
REAL_SITE = "ACCEPTANCE_K8S_SITE"
CALL_S = 10.0
GONE_S = 60.0


@dataclass(frozen=True, slots=True)
class Rig:
    """One cluster; `double` is None where it is a real one."""

    kubeconfig: str
    site: Path
    double: MiniK8s | None

    @contextlib.contextmanager
    def started(
        self,
        runs_dir: Path,
        *arguments: str,
        topology: Path = TINY_DISAGG,
        site: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """A run of the suite; it is killed where the test gives up."""
        where = (f"--site={site or self.site}", f"--topology={topology}")
        process = subprocess.Popen(
            command(runs_dir, *WITHOUT_OTHERS, *where, *arguments),
            cwd=ROOT,
            env={**login_environment(), "KUBECONFIG": self.kubeconfig, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield Running(process, runs_dir)
        finally:
            unfinished = process.poll() is None
            process.kill()
            process.communicate()
            for ledger in runs_dir.glob(f"*/{LEDGER_NAME}") if unfinished else ():
                self._reap(ledger.parent)

    def run(self, runs_dir: Path, *arguments: str, **how: Any) -> SuiteRun:
        """Run the suite to its end, within a deadline."""
        with self.started(runs_dir, *arguments, **how) as running:
            return running.ended()

    @contextlib.contextmanager
    def doing_wrong(self, *faults: str) -> Iterator[None]:
        """What the double does wrong meanwhile; a real cluster does nothing wrong on request."""
        double = self.need_double("faults of a cluster are those of the double")
        double.set_faults(*faults)
        try:
            yield
        finally:
            double.behave()

    def need_double(self, why: str) -> MiniK8s:
        """The double; the test is skipped on a real cluster, for the reason given."""
        if self.double is None:
            pytest.skip(f"not on a real cluster: {why}")
        return self.double

    def reap(self, run_dir: Path) -> str:
        """End what the ledger of a run still lists, as its user would; returns what is said."""
        done = self._reap(run_dir)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _reap(self, run_dir: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fixtures.ledger", "reap", str(run_dir)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=GONE_S,
            check=False,
        )

    def client(self, namespace: str = "") -> KubeClient:
        """A client of our own."""
        place = place_of(self.kubeconfig)
        access = KubeAccess(self.kubeconfig, place.context, namespace or place.namespace, CALL_S)
        return KubeClient(access)

    def cordon(self, unschedulable: bool) -> None:
        """Let no node take pods any more, or let all of them."""
        client = self.client()
        for node in client.items(NODES)[0]:
            body = {**node, "spec": {**node["spec"], "unschedulable": unschedulable}}
            path = NODES.path(name=text(node, "metadata", "name"))
            answer = client.caller.request("PUT", path, body=body)
            assert answer.ok, answer.problem

    def objects(self) -> list[str]:
        """Everything in the namespace that a deployment may consist of: `Kind/name label`."""
        client = self.client()
        collections, problems = owning_collections(client)
        assert not problems, problems
        return [
            f"{where.title}/{text(item, 'metadata', 'name')} {labels(item).get(DEPLOYMENT_LABEL)}"
            for where, items, answer in client.items_of(collections)
            for item in items
            if answer.ok
        ]

    def left_by(self, run_dir: Path | None) -> list[str]:
        """What ledger, cluster and this machine still have of a run; empty for nothing."""
        assert run_dir is not None
        run_id = run_dir.name
        left = [f"ledger: {entry}" for entry in Ledger.open_entries(run_dir / LEDGER_NAME)]
        left += [each for each in self.objects() if run_name(run_id) in each]
        left += [f"process {pid}" for pid in marked(run_id)]
        return left + [str(each) for each in Path(tempfile.gettempdir()).glob(f"*{run_id}*")]


@contextlib.contextmanager
def rig(shape: K8sShape | None = None, settings: ImageSettings | None = None) -> Iterator[Rig]:
    """The cluster of the environment, or a double of four nodes that is gone afterwards."""
    pytest.importorskip("kubernetes")
    site, kubeconfig = os.environ.get(REAL_SITE), os.environ.get("KUBECONFIG", "")
    if site:
        yield Rig(kubeconfig, Path(site), None)
        return
    with tempfile.TemporaryDirectory(prefix="dynamo-selftest-") as directory:
        # Workers of the small topologies take whole nodes, as large ones do.
        where, usual = Path(directory) / "k8s", K8sShape(gpus_per_node=2)
        double = MiniK8s.start(where, shape or usual, settings=settings)
        try:
            yield Rig(str(double.kubeconfig), QUICK_K8S, double)
        finally:
            double.stop()
