"""Passing means: small vLLM deployments come up behind the real frontend and its KV router."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from fixtures.clients.metrics import scrape
from fixtures.clients.ranks import load_lines, rank_lines, rank_processes
from fixtures.judges import ranks
from fixtures.launchers.base import Deployment

from .runs import HERE
from .test_simulator_behind_the_frontend import launched

pytestmark = pytest.mark.selftest

KV_TOPOLOGY = HERE / "topologies" / "tiny-vllm-kv.yaml"
RAY_TOPOLOGY = HERE / "topologies" / "tiny-vllm-disagg.yaml"


def ask(deployment: Deployment, text: str) -> dict[str, Any]:
    """One chat completion without a nonce, so that prompts share their prefix."""
    record = deployment.record
    message = {"role": "user", "content": text}
    body = json.dumps({"model": record.served_model_name, "messages": [message]}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(  # noqa: S310 - our own frontend
        f"{record.frontend_url}/v1/chat/completions", body, headers
    )
    with urlopen(request, timeout=30) as response:  # noqa: S310
        found: dict[str, Any] = json.load(response)
    return found


def served(deployment: Deployment, role: str) -> list[float]:
    """Requests that each worker of a role has served so far."""
    name = "dynamo_component_requests_total"
    workers = [each for each in deployment.record.workers if each.plan.role == role]
    scrapes = [scrape(worker.metrics_url) for worker in workers]
    return [found.total(name, dynamo_endpoint="generate") or 0.0 for found in scrapes]


@pytest.fixture(scope="module", params=[KV_TOPOLOGY, RAY_TOPOLOGY], ids=["kv", "round-robin"])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A small disaggregated deployment of vLLM, in its own way of routing."""
    with launched(tmp_path_factory.mktemp("runs") / "run-vllm", request.param) as up:
        yield up
        assert up.close(hurry=False).leftovers == ()


def test_a_deployment_answers_and_its_ranks_are_where_they_belong(deployment: Deployment) -> None:
    record = deployment.record
    plans = [worker.plan for worker in record.workers]
    lines = rank_lines(record.workers)

    answer = ask(deployment, "Count from 3 to 7.")
    assert answer["choices"][0]["message"]["content"] == "3, 4, 5, 6, 7"
    assert ranks.every_rank_announced_once(lines, load_lines(record.workers), plans) == []
    assert ranks.every_rank_saw_the_world(lines, plans) == []
    assert ranks.every_worker_has_one_leader(lines, plans) == []
    assert ranks.every_rank_is_in_its_place(*rank_processes(record)[:1], plans) == []
    (decode,) = (each for each in record.workers if each.plan.role == "decode")
    assert (scrape(decode.metrics_url).total("vllm:nixl_xfer_time_seconds_count") or 0) >= 1


@pytest.mark.parametrize("deployment", [KV_TOPOLOGY], ids=["kv"], indirect=True)
def test_prompts_of_one_prefix_go_where_that_prefix_is(deployment: Deployment) -> None:
    text = "Count from 1 to 3. " + "These words fill more than one block. " * 20
    before = served(deployment, "prefill")
    for _ in range(8):
        ask(deployment, text)

    grown = [now - then for now, then in zip(served(deployment, "prefill"), before, strict=True)]
    # Taking turns would give four to each.
    assert max(grown) >= 7
    assert sum(grown) == 8
