"""What a report is computed from: the plan, the facts of the run and of each topology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fixtures.model.requirement import Requirement


@dataclass(frozen=True, slots=True)
class PlannedCheck:
    """One requirement that is due on one topology, and the test that judges it."""

    requirement: Requirement
    topology: str
    node_id: str
    selected: bool = True


@dataclass(frozen=True, slots=True)
class TopologyFacts:
    """What happened to one topology, apart from its verdicts.

    `timeline` holds the readiness signals in the order they came, in seconds since the launch;
    `given_as` is the name or path by which the user named the topology, if so.
    """

    title: str
    launches: int = 0
    ready_s: float | None = None
    timeline: tuple[tuple[str, float], ...] = ()
    leftovers: tuple[str, ...] = ()
    launch_error: str = ""
    given_as: str | None = None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What was run, where and with which settings.

    `started` and `finished` are ISO times in UTC; `settings` maps a name to its value and to
    where that value comes from; `fault` names the defect a rehearsal seeded on purpose.
    """

    id: str
    command: str
    site: str
    engine: str
    fault: str | None
    started: str
    finished: str
    run_dir: str
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
