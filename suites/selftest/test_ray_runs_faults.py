"""Passing means: each fault of Ray turns exactly the requirements red that name it, in time; and
a host that is lost in the middle of a run is named, with nothing left on the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.simulator.faults import FAULTS

from .ray_rig import LIVE, TWO_CLUSTERS, TWO_NODES, Rig, findings_of, rig
from .test_faults import REQUIREMENTS

pytestmark = pytest.mark.selftest

OF_RAY = sorted(name for name, fault in FAULTS.items() if fault.launchers == ("ray",))
# The supervisor on the host ends what a worker leaves there: it must not go unseen.
SHOWN = [*OF_RAY, "keeps_a_port_open"]
FEW = ("suites/launch", "suites/shutdown")


def killed_by(fault: str) -> set[str]:
    """The requirements of Ray that say of themselves that this fault breaks them."""
    due = [each for each in REQUIREMENTS.values() if "ray" in (each.launchers or ("ray",))]
    return {each.id for each in due if fault in each.killed_by}


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Two hosts."""
    with rig(hosts=2) as found:
        yield found


@pytest.mark.parametrize("fault", SHOWN)
def test_a_fault_on_ray_turns_exactly_its_requirements_red(
    fault: str, shared: Rig, tmp_path: Path
) -> None:
    topology = TWO_CLUSTERS if fault == "joins_one_cluster_for_two_workers" else TWO_NODES
    run = shared.run(tmp_path, *LIVE, *FEW, "--fault", fault, site=shared.site(), topology=topology)

    name = topology.stem
    red, errors = run.with_verdict(name, "fail"), run.with_verdict(name, "error")
    assert (red, errors) == (killed_by(fault), set()), run.output
    assert run.exit_code == 1
    assert shared.left_by(run.run_dir) == []


def test_a_host_that_is_lost_is_named_and_the_others_are_clean(tmp_path: Path) -> None:
    with rig(hosts=2) as own:
        with own.started(tmp_path, *LIVE, site=own.site()) as running:
            running.wait_for("ready")
            own.hosts.power_off("h02")
            run = running.ended()

        assert {"RNK-004", "RNK-008"} <= run.with_verdict(TWO_NODES.stem, "fail"), run.output
        assert "h02" in findings_of(run, TWO_NODES.stem, "RNK-008")
        assert own.left_by(run.run_dir) == []
