"""A topology that is valid by construction raises no rule; one broken quantity always does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.model.remark import Severity
from fixtures.rules.catalogue import RULES, examine, judge

from .collected import BREAKS

pytestmark = pytest.mark.selftest

QUICK = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_has_a_quantity_to_break(rule_id: str) -> None:
    assert rule_id in BREAKS


@pytest.mark.parametrize("rule_id", BREAKS)
@given(data=st.data())
@QUICK
def test_valid_raises_nothing_and_broken_always_does(rule_id: str, data: st.DataObject) -> None:
    valid, broken = data.draw(BREAKS[rule_id], label="a valid topology, and the same broken")
    rule = RULES[rule_id]

    own = judge(rule, valid)
    assert rule.in_scope(valid)
    assert own.remarks == ()
    assert own.missing == ()
    assert rule.in_scope(broken)
    assert judge(rule, broken).remarks
    # No other rule speaks about the valid one either.
    above = [r for r in examine(valid).remarks if r.severity is not Severity.ADVICE]
    assert above == []
