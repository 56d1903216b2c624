"""Passing means: an honest deployment is accepted on Kubernetes, through Grove and through LWS.

What is judged is what mock mode judges, as far as it can be seen from outside the pods, and on top
what the API server alone can tell. The same tests run on a real cluster (see kubernetes_rig).
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures.config.load import load_site, load_topology
from fixtures.due import is_due
from fixtures.ledger import Ledger
from fixtures.minik8s.shape import LWS, K8sShape
from fixtures.model.requirement import Mode
from fixtures.ports import PortLease
from fixtures.services.binaries import start_etcd_binary, start_nats_binary

from .kubernetes_rig import FEW, LIVE, REAL_SITE, rig
from .runs import HERE, TINY_DISAGG, SuiteRun
from .slurm_rig import red_and_errors
from .test_faults import REQUIREMENTS

pytestmark = pytest.mark.selftest

FINE = {"pass", "not-applicable"}
GIVEN = HERE / "sites" / "quick-k8s-given.yaml"
TWO_NODES_EACH = HERE / "topologies" / "two-node-disagg.yaml"


LWS_AND_OLD = K8sShape(gpus_per_node=2, orchestrator=LWS, api_versions=("v1alpha1",))


def assert_accepted(run: SuiteRun, topology: Path, site: Path) -> None:
    """Every live check that is due was judged, and nothing speaks against the deployment."""
    verdicts = run.verdicts(topology.stem)
    loaded, where = load_topology(str(topology)), load_site(site)
    due = {
        id_
        for id_, each in REQUIREMENTS.items()
        if is_due(each, loaded, where) and each.mode is not Mode.STATIC
    }
    assert due <= set(verdicts)
    assert {id_: verdicts[id_] for id_ in due if verdicts[id_] not in FINE} == {}, run.output
    assert run.exit_code == 0, run.output


def test_an_honest_deployment_is_accepted_and_deleted(tmp_path: Path) -> None:
    with rig() as found:
        run = found.run(tmp_path, *LIVE)

        assert_accepted(run, TINY_DISAGG, found.site)
        assert found.left_by(run.run_dir) == []


@pytest.mark.skipif(REAL_SITE in os.environ, reason="a real cluster has one orchestrator only")
def test_workers_of_several_pods_are_accepted_with_lws_and_the_older_api(tmp_path: Path) -> None:
    with rig(LWS_AND_OLD) as found:
        run = found.run(tmp_path, *LIVE, topology=TWO_NODES_EACH)

        assert_accepted(run, TWO_NODES_EACH, found.site)
        assert "DynamoGraphDeployment v1alpha1" in str(run.report)
        assert found.left_by(run.run_dir) == []


OWN_MANIFEST = """
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: of-the-user
spec:
  backendFramework: trtllm
  envs:
    - {{name: DYN_DISCOVERY_BACKEND, value: etcd}}
    - {{name: ETCD_ENDPOINTS, value: "{etcd}"}}
    - {{name: NATS_SERVER, value: "{nats}"}}
    - {{name: ETCD_LEASE_TTL, value: "5"}}
  services:
    Frontend:
      componentType: frontend
      replicas: 1
      extraPodSpec:
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.3.1
          command: [python3, -m, dynamo.frontend]
    Worker:
      componentType: worker
      replicas: 1
      multinode: {{nodeCount: 2}}
      resources: {{limits: {{gpu: "1"}}}}
      extraPodSpec:
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.3.1
          command: [python3, -m, dynamo.trtllm]
          args:
            - --model-path
            - Qwen/Qwen3-0.6B
            - --served-model-name
            - Qwen/Qwen3-0.6B
            - --tensor-parallel-size
            - "2"
            - --max-seq-len
            - "8192"
"""


@pytest.mark.skipif(REAL_SITE in os.environ, reason="it needs etcd and NATS of this machine")
def test_a_manifest_of_the_user_is_applied_as_it_is(tmp_path: Path) -> None:
    ledger, work = Ledger(tmp_path / "ledger.ndjson", "selftest-own"), tmp_path / "services"
    work.mkdir()
    with rig() as found, PortLease("127.0.0.1") as ports, ExitStack() as services:
        where = {"ledger": ledger, "work_dir": work, "bind_address": "127.0.0.1"}
        etcd = start_etcd_binary(**where, deadline_s=30.0, ports=ports)
        services.callback(etcd.stop)
        nats = start_nats_binary(**where, deadline_s=30.0, ports=ports)
        services.callback(nats.stop)
        manifest = tmp_path / "of-the-user.yaml"
        manifest.write_text(OWN_MANIFEST.format(etcd=etcd.url, nats=nats.url))
        how = {"site": GIVEN, "topology": manifest}
        environment = {**etcd.client_env, **nats.client_env}
        run = found.run(tmp_path / "runs", *LIVE, *FEW, environment=environment, **how)

        assert red_and_errors(run, "of-the-user") == (set(), set()), run.output
        judged = {"KDP-001", "KDP-009", "RNK-001", "SHD-005"}
        assert run.with_verdict("of-the-user", "pass") >= judged
        assert found.left_by(run.run_dir) == []
        assert not any("of-the-user" in each for each in found.objects())
