"""Every static rule as a check: the files alone must promise a deployment that can work.

Passing means that no number, key or word in the files forbids this deployment. A rule that lacks
an input judges nothing and says which one. Not covered: whatever only a running engine knows.

The checks are made from the catalogue of rules, one for each, so that a rule is written once and
a new one cannot be forgotten here; a check's name and claim are those of its rule.
"""

from __future__ import annotations

from collections.abc import Callable

from fixtures.evidence import EvidenceStore
from fixtures.model.remark import Severity
from fixtures.model.requirement import Level, Mode
from fixtures.model.topology import Site, Topology
from fixtures.outcome import conclude, verify
from fixtures.requirements import requirement
from fixtures.rules.catalogue import RULES, Rule, judge
from fixtures.rules.slurm import roles_fit_the_site

LEVELS = {
    Severity.ERROR: Level.MUST,
    Severity.WARNING: Level.SHOULD,
    Severity.ADVICE: Level.MAY,
}
BEYOND_FILES = {"SLM-001": roles_fit_the_site}
"""What a rule asks besides of the site that is to launch the topology."""


def check_of(rule: Rule) -> Callable[[Topology, EvidenceStore, Site | None], None]:
    """The check that one rule amounts to."""

    def check(topology: Topology, evidence: EvidenceStore, launch_site: Site | None) -> None:
        judgement = judge(rule, topology)
        if judgement.remarks:
            evidence.keep("remarks", judgement)
        if launch_site is not None and rule.id in BEYOND_FILES:
            verify(BEYOND_FILES[rule.id](topology, launch_site))
        conclude(rule.severity, judgement)

    check.__doc__ = rule.claim
    declare = requirement(
        rule.id,
        rule.area,
        mode=Mode.STATIC,
        level=LEVELS[rule.severity],
        source=rule.source,
    )
    return declare(check)


globals().update({f"test_{rule.name}": check_of(rule) for rule in RULES.values()})
