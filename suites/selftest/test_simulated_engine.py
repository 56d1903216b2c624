"""Passing means: the simulated engine keeps TensorRT-LLM's promises and refuses what it refuses,
driven through the same calls that Dynamo's worker makes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from dynamo.llm.exceptions import InvalidArgument
from prometheus_client.parser import text_string_to_metric_families

from fixtures.simulator.engine import SimulatedEngine, digest, log_probability
from fixtures.simulator.metrics import TransferMetrics
from fixtures.simulator.tokenizer import ASSISTANT, BOS, USER, Tokenizer

from .engine_config import CONFIG, SIMULATION

pytestmark = pytest.mark.selftest

TOKENIZER = Tokenizer()
COUNT = "Count from 1 to 3"


@dataclass
class Context:
    """What Dynamo hands to `generate`; the client goes away after `patience` questions."""

    patience: int = 10**9
    asked: int = field(default=0, init=False)

    def is_stopped(self) -> bool:
        self.asked += 1
        return self.asked > self.patience


def engine(role: str = "aggregated", fault: str = "", **config: Any) -> SimulatedEngine:
    return SimulatedEngine(
        role=role,
        model_dir="",
        served_model_name="m",
        config=replace(CONFIG, **config),
        simulation=SIMULATION,
        kv_bytes_per_token=10,
        context_length=4096,
        fault=fault,
        on_start=lambda: None,
        on_cleanup=lambda: None,
    )


def prompt(text: str = COUNT) -> list[int]:
    ids = TOKENIZER.ids
    return [ids[BOS], ids[USER], *TOKENIZER.encode(text), ids[ASSISTANT]]


def ask(
    worker: SimulatedEngine, text: str = COUNT, context: Context | None = None, **request: Any
) -> list[dict[str, Any]]:
    """All chunks of one request; `request` adds to what Dynamo sends."""

    async def collect() -> list[dict[str, Any]]:
        whole = {"token_ids": prompt(text), **request}
        return [chunk async for chunk in worker.generate(whole, context or Context())]

    return asyncio.run(collect())


def stops(**conditions: Any) -> dict[str, Any]:
    return {"stop_conditions": conditions}


def text_of(chunks: list[dict[str, Any]]) -> str:
    return TOKENIZER.decode(token for chunk in chunks for token in chunk["token_ids"])


def count_of(chunks: list[dict[str, Any]]) -> int:
    return sum(len(chunk["token_ids"]) for chunk in chunks)


def reasons(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["finish_reason"] for chunk in chunks if "finish_reason" in chunk]


def test_an_answer_ends_by_itself_with_one_token_per_chunk() -> None:
    chunks = ask(engine())

    assert text_of(chunks) == "1, 2, 3"
    assert {len(chunk["token_ids"]) for chunk in chunks} == {1}
    assert reasons(chunks) == ["stop"]
    assert "finish_reason" in chunks[-1]
    assert {chunk["index"] for chunk in chunks} == {0}


@pytest.mark.parametrize("limit", [1, 2, 6])
def test_max_tokens_cuts_the_answer_and_says_so(limit: int) -> None:
    chunks = ask(engine(), **stops(max_tokens=limit))

    assert (count_of(chunks), reasons(chunks)) == (limit, ["length"])
    assert "1, 2, 3".startswith(text_of(chunks))


def test_max_tokens_beyond_the_answer_changes_nothing() -> None:
    assert ask(engine(), **stops(max_tokens=500)) == ask(engine())


@pytest.mark.parametrize(
    "conditions",
    [{"ignore_eos": True, "max_tokens": 40}, {"min_tokens": 40, "max_tokens": 40}],
    ids=["ignore_eos", "min_tokens"],
)
def test_an_exact_number_of_tokens_can_be_demanded(conditions: dict[str, Any]) -> None:
    chunks = ask(engine(), **stops(**conditions))

    assert (count_of(chunks), reasons(chunks)) == (40, ["length"])
    assert text_of(chunks).startswith("1, 2, 3 ")
    assert TOKENIZER.eos_id not in [token for chunk in chunks for token in chunk["token_ids"]]


def test_min_tokens_within_the_answer_changes_nothing() -> None:
    assert ask(engine(), **stops(min_tokens=3)) == ask(engine())


def test_a_stop_token_ends_the_answer_before_itself() -> None:
    (stop,) = TOKENIZER.encode("2")
    chunks = ask(engine(), **stops(stop_token_ids=[stop]))

    assert (text_of(chunks), reasons(chunks)) == ("1, ", ["stop"])


def test_generation_ends_where_the_context_is_full() -> None:
    worker = engine(max_seq_len=len(prompt()) + 4)

    chunks = ask(worker, **stops(max_tokens=500))
    assert (count_of(chunks), reasons(chunks)) == (4, ["length"])


def test_a_client_that_goes_away_ends_the_stream() -> None:
    chunks = ask(engine(), context=Context(patience=2))

    assert count_of(chunks) == 2
    assert chunks[-1] == {"token_ids": [], "index": 0, "finish_reason": "cancelled"}


def test_more_than_one_choice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="n=2 is not supported"):
        ask(engine(), sampling_options={"n": 2})
    assert ask(engine(), sampling_options={"n": 1})
    assert ask(engine(), sampling_options={"n": None})
    assert ask(engine(), sampling_options=None)


LONG = "x" * 64
AT_LIMIT = "x" * (64 - len(prompt("")))


@pytest.mark.parametrize("role", ["aggregated", "prefill"])
def test_a_prompt_above_max_num_tokens_is_refused_where_it_is_prefilled(role: str) -> None:
    with pytest.raises(InvalidArgument, match=r"prompt length \(67\).*max_num_tokens \(64\)"):
        ask(engine(role), LONG)
    assert ask(engine(role), AT_LIMIT)
    assert ask(engine(role, max_num_tokens=None), LONG)


@pytest.mark.parametrize("role", ["aggregated", "prefill"])
def test_chunked_prefill_lifts_the_limit_of_the_prompt(role: str) -> None:
    assert ask(engine(role, chunked_prefill=True), LONG)


def handed_over(text: str = COUNT) -> dict[str, Any]:
    """What the frontend passes on to decode after a prefill worker served that prompt."""
    (ticket,) = ask(engine("prefill", chunked_prefill=True), text)
    return {"prefill_result": {"disaggregated_params": ticket["disaggregated_params"]}}


def test_generation_only_workers_take_prompts_of_any_length() -> None:
    assert ask(engine("decode"), LONG, **handed_over(LONG))


def test_a_prefill_worker_answers_with_one_token_and_a_ticket() -> None:
    (chunk,) = ask(engine("prefill"))

    assert chunk["finish_reason"] == "length"
    assert chunk["token_ids"] == prompt()[-1:]
    assert chunk["disaggregated_params"]["kv_digest"] == digest(prompt())
    assert chunk["disaggregated_params"]["kv_tokens"] == len(prompt())


def test_decode_with_a_ticket_answers_as_an_aggregated_worker_does() -> None:
    assert ask(engine("decode"), **handed_over()) == ask(engine())


@pytest.mark.parametrize(
    "given", [{}, {"prefill_result": None}, {"prefill_result": {"disaggregated_params": {}}}]
)
def test_decode_without_a_ticket_fails_the_request(given: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="without a KV transfer ticket"):
        ask(engine("decode"), **given)


def test_decode_fails_with_the_ticket_of_another_prompt() -> None:
    worker = engine("decode")

    with pytest.raises(RuntimeError, match="belongs to another prompt"):
        ask(worker, **handed_over("Count from 1 to 4"))
    assert samples(worker.transfers)["trtllm_kv_transfer_success_total"] == 0


def samples(metrics: TransferMetrics, **labels: str) -> dict[str, float]:
    """Samples by name, as a Prometheus server reads them."""
    families = text_string_to_metric_families(metrics.exposition(labels))
    found = [sample for family in families for sample in family.samples]
    assert all(sample.labels == labels for sample in found)
    return {sample.name: sample.value for sample in found}


def test_both_roles_count_a_transfer_and_an_aggregated_worker_none() -> None:
    prefill, decode, aggregated = engine("prefill"), engine("decode"), engine()
    ask(prefill)
    ask(decode, **handed_over())
    ask(aggregated)

    for worker, expected in ((prefill, 1), (decode, 1), (aggregated, 0)):
        counted = samples(worker.transfers)
        assert counted["trtllm_kv_transfer_success_total"] == expected
        assert counted["trtllm_kv_transfer_bytes_total"] == expected * 10 * len(prompt())


def test_metrics_survive_labels_that_need_escapes() -> None:
    metrics = TransferMetrics(7)
    metrics.count(3)
    metrics.count(5)

    counted = samples(metrics, model='a "quoted"\\path\nline', empty="")
    assert counted["trtllm_kv_transfer_bytes_total"] == 56
    assert counted["trtllm_kv_transfer_latency_seconds"] == pytest.approx(28 / 350e9)
    assert counted["trtllm_kv_transfer_speed_gb_s"] == 350


@pytest.mark.parametrize("top", [0, 1, 5])
def test_log_probabilities_come_with_each_token_and_fall_with_the_rank(top: int) -> None:
    for chunk in ask(engine(), output_options={"logprobs": top}):
        (token,), (chosen,), (others,) = (
            chunk["token_ids"],
            chunk["log_probs"],
            chunk["top_logprobs"],
        )
        assert chosen == log_probability(token, 1) <= 0
        values = [other["logprob"] for other in others]
        assert [other["rank"] for other in others] == list(range(1, top + 1))
        assert values == sorted(values, reverse=True)
        assert [o["token_id"] for o in others[:1]] == [token][:top]
        assert values[:1] == [chosen][:top]
        assert all(o["token"] == TOKENIZER.decode([o["token_id"]]) for o in others)


def test_no_log_probabilities_come_unasked() -> None:
    assert all("log_probs" not in chunk for chunk in ask(engine()))
