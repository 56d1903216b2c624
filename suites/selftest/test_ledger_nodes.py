"""Passing means: a ledger takes what a run may leave on nodes, and nothing of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.ledger import Ledger, NodesHeld

pytestmark = pytest.mark.selftest

RUN = "20260101-000000-abcdef"


def held() -> NodesHeld:
    """What a deployment of this run may leave."""
    return NodesHeld(
        job_id="1",
        nodes=("gb01", "gb02"),
        head="gb01",
        mark=f"DYNAMO_ACCEPTANCE_DEPLOYMENT=acc-{RUN}-x-g1",
        prefix=f"moe_shared_acc-{RUN}-x-g1",
        data=f"/tmp/dynamo-acceptance-acc-{RUN}-x-g1",  # noqa: S108
        python="python3",
        term_s=8.0,
        call_s=5.0,
    )


@pytest.mark.parametrize(
    "change",
    [{"mark": "A=b"}, {"mark": f"{RUN}=b"}, {"prefix": ""}, {"data": f"/{RUN}/x"}, {"data": RUN}],
)
def test_nothing_is_recorded_for_removal_that_is_not_of_the_run(
    change: dict[str, str], tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson", RUN)

    with pytest.raises(ValueError, match="is not of the run"):
        ledger.nodes(f"acc-{RUN}", replace(held(), **change))


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson", RUN)
    ledger.nodes(f"acc-{RUN}", held())

    (entry,) = Ledger.open_entries(ledger.path)
    assert NodesHeld.read(entry.value) == held()
    for broken in ("", "[]", "{}", "null", '{"nodes": 1}'):
        with pytest.raises(ValueError, match=r"leaves on nodes|Expecting value"):
            NodesHeld.read(broken)
