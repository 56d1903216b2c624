"""Passing means: what the simulated engine promises arrives at a client of the real frontend."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients.chat import ChatClient
from fixtures.clients.metrics import scrape
from fixtures.config.load import load_site, load_topology
from fixtures.evidence import EvidenceStore
from fixtures.judges.answers import is_a_chat_completion, text_of
from fixtures.judges.ranks import nobody_died_early
from fixtures.judges.streams import streamed_text
from fixtures.launchers.base import Deployment, LaunchRequest
from fixtures.launchers.mock import MockLauncher
from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.model.evidence import Exchange
from fixtures.ports import PortLease
from fixtures.readiness import Watch

from .runs import QUICK_SITE, TINY_AGG

pytestmark = pytest.mark.selftest

# Of this process alone: several test processes launch side by side.
RUN = f"selftest-simulator-{os.getpid()}"


@contextmanager
def launched(run_dir: Path, topology_path: Path = TINY_AGG) -> Iterator[Deployment]:
    """A tiny deployment, straight from the launcher."""
    topology, site = load_topology(topology_path), load_site(QUICK_SITE)
    with PortLease(site.bind_address) as ports:
        request = LaunchRequest(
            topology=topology,
            site=site,
            run_id=RUN,
            run_dir=run_dir,
            generation=1,
            fault="",
            ledger=Ledger(run_dir / LEDGER_NAME, RUN),
            ports=ports,
            cancelled=lambda: False,
        )
        started = time.monotonic()
        launcher = MockLauncher()
        up = launcher.launch(request, launcher.prepare(request))
        readiness = Watch(up, started, lambda _signal, _at_s: None).wait(60, lambda: False)
        try:
            assert readiness.ready, readiness
            yield up
        finally:
            up.close(hurry=False)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One deployment for all tests that only talk to it."""
    with launched(tmp_path_factory.mktemp("runs") / RUN) as up:
        yield up
        assert up.close(hurry=False).leftovers == ()


@pytest.fixture
def chat(deployment: Deployment, tmp_path: Path) -> ChatClient:
    """A client of that deployment's frontend."""
    record = deployment.record
    store = EvidenceStore(tmp_path / "evidence", tmp_path)
    return ChatClient(record.frontend_url, record.served_model_name, store, 30)


def choice_of(answer: Exchange) -> dict[str, Any]:
    """The only choice of an answer."""
    assert is_a_chat_completion(answer) == [], answer.text
    (choice,) = json.loads(answer.body)["choices"]
    found: dict[str, Any] = choice
    return found


def test_an_instruction_is_obeyed(chat: ChatClient) -> None:
    assert text_of(chat.ask("Count from 3 to 7.")) == "3, 4, 5, 6, 7"
    assert text_of(chat.ask("Reply with the word raven.")) == "raven"


@pytest.mark.parametrize("text", ["naïve café", "山高月小", "👩‍👩‍👧‍👦 ok", "עברית"])
def test_text_survives_tokenizer_and_stream(chat: ChatClient, text: str) -> None:
    assert text_of(chat.ask(f"Repeat exactly: {text}")) == text
    assert streamed_text(chat.ask(f"Repeat exactly: {text}", stream=True)) == text


def test_a_stop_string_ends_the_answer_before_it(chat: ChatClient) -> None:
    choice = choice_of(chat.ask("Count from 1 to 20.", stop=["5, 6"]))

    assert choice["message"]["content"] == "1, 2, 3, 4, "
    assert choice["finish_reason"] == "stop"


def test_ignore_eos_and_min_tokens_give_an_exact_length(chat: ChatClient) -> None:
    limits = {"max_tokens": 50, "min_tokens": 50, "ignore_eos": True}
    answer = chat.ask("Reply with the word raven.", **limits)

    assert choice_of(answer)["finish_reason"] == "length"
    assert json.loads(answer.body)["usage"]["completion_tokens"] == 50


def test_logprobs_cover_every_token_of_the_content(chat: ChatClient) -> None:
    answer = chat.ask("Count from 1 to 5.", logprobs=True, top_logprobs=2)
    choice = choice_of(answer)

    entries = choice["logprobs"]["content"]
    assert len(entries) == json.loads(answer.body)["usage"]["completion_tokens"]
    joined = b"".join(bytes(entry["bytes"]) for entry in entries)
    assert joined.decode() == choice["message"]["content"]
    assert all(entry["logprob"] <= 0 and len(entry["top_logprobs"]) == 2 for entry in entries)


def test_several_choices_are_refused_and_never_cut_to_one(chat: ChatClient) -> None:
    answer = chat.ask("Count from 1 to 5.", n=2, temperature=1)

    assert answer.status == 400
    assert "one choice per request" in answer.text


def test_a_prompt_above_max_num_tokens_is_refused(chat: ChatClient) -> None:
    answer = chat.ask("x" * 9000)

    assert answer.status == 400
    assert "max_num_tokens (8448)" in answer.text


def test_the_worker_exports_transfer_counters_with_its_labels(deployment: Deployment) -> None:
    (worker,) = deployment.record.workers
    found = scrape(worker.metrics_url)

    assert found.error == ""
    name = "trtllm_kv_transfer_success_total"
    assert found.total(name, dynamo_component="backend") == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_service_that_is_lost_after_ready_is_found(
    number: signal.Signals, tmp_path: Path
) -> None:
    with launched(tmp_path / RUN) as up:
        entries = Ledger.open_entries(tmp_path / RUN / LEDGER_NAME)
        (nats,) = (each.identity for each in entries if each.name.startswith("nats"))
        assert nats is not None
        os.kill(nats.pid, number)
        record = up.close(hurry=False)

    (finding,) = nobody_died_early(record)
    assert "nats-server" in finding.actual
    assert "no answer" in finding.actual
