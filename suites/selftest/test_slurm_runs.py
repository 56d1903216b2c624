"""Passing means: an honest deployment is accepted on a real Slurm, and its legal oddities as well.

What is judged is what mock mode judges, and on top what Slurm alone can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.config.load import load_site, load_topology
from fixtures.due import is_due
from fixtures.launchers.rehearsal import why_not_rehearsed
from fixtures.model.requirement import Mode
from fixtures.simulator.faults import FAULTS

from .runs import HERE, LIVE, QUICK_SITE, TINY_AGG, TINY_DISAGG, SuiteRun
from .slurm_rig import QUICK_PYXIS, QUICK_SLURM, Rig, rig
from .test_faults import REQUIREMENTS

pytestmark = pytest.mark.selftest

TWO_NODES_EACH = HERE / "topologies" / "two-node-disagg.yaml"
IMAGE = "#!minislurm-image\nPATH=/usr/local/bin:/usr/bin:/bin\nETCD_ENDPOINTS=http://wrong:1\n"
SITE = load_site(QUICK_SLURM)
VARIANTS = sorted(n for n, f in FAULTS.items() if f.legal and not why_not_rehearsed(n, SITE))
FINE = {"pass", "not-applicable"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Four nodes, with containers."""
    with rig(nodes=4, containers=True) as found:
        if not found.cluster.container_options:
            pytest.fail("the container options of srun could not be compiled", pytrace=False)
        yield found


def due_in_mock_mode(topology: Path) -> set[str]:
    """The requirements that a rehearsal without Slurm judges for this topology."""
    loaded, mock = load_topology(str(topology)), load_site(QUICK_SITE)
    return {id_ for id_, each in REQUIREMENTS.items() if is_due(each, loaded, mock)}


def assert_accepted(run: SuiteRun, topology: Path) -> None:
    """Everything due was judged, and nothing speaks against the deployment."""
    verdicts = run.verdicts(topology.stem)
    disaggregated = load_topology(str(topology)).disaggregated
    of_slurm = {
        id_
        for id_, each in REQUIREMENTS.items()
        if "slurm" in each.launchers and each.due_for(disaggregated)
    }
    assert set(verdicts) == due_in_mock_mode(topology) | of_slurm
    assert set(verdicts.values()) <= FINE, run.output
    assert run.exit_code == 0
    assert run.report["decision"] == "accepted"


def test_an_allocation_of_its_own_is_given_back(shared: Rig, tmp_path: Path) -> None:
    run = shared.run(tmp_path, "-m", "gb200", "--certify")

    assert_accepted(run, TINY_DISAGG)
    assert shared.left_by(run.run_dir) == []
    assert shared.jobs() == {}


def test_an_allocation_of_the_user_is_kept(shared: Rig, tmp_path: Path) -> None:
    with shared.allocation(2) as job_id:
        how = {"topology": TINY_AGG, "environment": {"SLURM_JOB_ID": job_id}}
        run = shared.run(tmp_path, "-m", "gb200", **how)

        assert_accepted(run, TINY_AGG)
        assert job_id in shared.jobs()
        assert shared.left_by(run.run_dir) == []


def test_workers_in_containers_span_nodes_in_blocks_of_ranks(shared: Rig, tmp_path: Path) -> None:
    image = tmp_path / "image.sqsh"
    image.write_text(IMAGE)

    run = shared.run(
        tmp_path / "runs",
        *("-m", "gb200", "-n", "2"),
        site=QUICK_PYXIS,
        topology=TWO_NODES_EACH,
        environment={"IMAGE": str(image), "MOUNTS": f"{tmp_path}:{tmp_path}"},
    )

    assert_accepted(run, TWO_NODES_EACH)
    assert {run.verdicts("two-node-disagg")[id_] for id_ in ("PRE-012", "PRE-014")} == {"pass"}
    assert shared.left_by(run.run_dir) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_legal_variant_turns_nothing_red(variant: str, shared: Rig, tmp_path: Path) -> None:
    run = shared.run(tmp_path, *LIVE, "--fault", variant)

    verdicts = run.verdicts("tiny-disagg")
    live = {
        verdicts[id_]
        for id_, each in REQUIREMENTS.items()
        if each.mode is not Mode.STATIC and id_ in verdicts
    }
    assert live <= FINE, run.output
    assert run.exit_code == 0
    assert shared.left_by(run.run_dir) == []
