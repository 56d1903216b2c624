"""Passing means: whole runs do what the README says of them, next to each other as well."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from fixtures.ledger import Ledger
from fixtures.model.topology import ServiceChoice
from fixtures.ports import PortLease
from fixtures.requirements import load_lock
from fixtures.services.base import Service
from fixtures.services.provider import start_etcd, start_nats
from reports.as_json import schema
from reports.journal import read_journal

from .runs import QUICK_SITE, ROOT, TINY_AGG, TINY_DISAGG, command, rehearse, run_suite

pytestmark = pytest.mark.selftest

DEADLINE_S = 120


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, Service]]:
    """An etcd and a NATS server of somebody else, named by the environment."""
    choice = ServiceChoice("binary", None, None)
    ledger = Ledger(tmp_path / "given" / "ledger.ndjson", "selftest-given")
    with PortLease("127.0.0.1") as ports:
        common = {
            "ledger": ledger,
            "work_dir": tmp_path / "given",
            "bind_address": "127.0.0.1",
            "deadline_s": 15.0,
            "ports": ports,
        }
        etcd, nats = start_etcd(choice, **common), start_nats(choice, **common)  # type: ignore[arg-type]
        for name, value in {**etcd.client_env, **nats.client_env}.items():
            monkeypatch.setenv(name, value)
        yield etcd, nats
        nats.stop()
        etcd.stop()


def origins(run_dir: Path) -> dict[str, str]:
    """Where services and frontend of the only deployment came from."""
    journal = read_journal(run_dir / "journal.ndjson")
    (ready,) = (event for event in journal.events if event["event"] == "ready")
    found: dict[str, str] = ready["origins"]
    return found


def test_given_services_are_used_and_left_alone(
    services: tuple[Service, Service], tmp_path: Path
) -> None:
    run = rehearse(tmp_path / "runs", TINY_DISAGG, "--certify")

    assert run.exit_code == 0, run.output
    assert run.run_dir is not None
    found = origins(run.run_dir)
    assert "ETCD_ENDPOINTS" in found["etcd"]
    assert "NATS_SERVER" in found["nats"]
    assert all(service.healthy() for service in services)


def test_two_runs_on_one_machine_do_not_meet(
    services: tuple[Service, Service], tmp_path: Path
) -> None:
    # They even share etcd and NATS, and serve a model of the same name.
    assert all(service.healthy() for service in services)
    both = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        where = ("-m", "gb200", f"--site={QUICK_SITE}", f"--topology={TINY_DISAGG}", "--certify")
        both.append(
            subprocess.Popen(
                command(tmp_path / name, *where),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [process.communicate(timeout=DEADLINE_S)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], "\n".join(outputs)


def test_static_checks_launch_nothing(tmp_path: Path) -> None:
    run = run_suite(tmp_path, "-m", "static")

    assert run.exit_code == 0, run.output
    assert [event for event in run.events if event.get("event") == "launch"] == []
    static = {each.id for each in load_lock().values() if each.mode == "static"}
    verdicts = run.verdicts("deepseek-r1-mtp-disagg")
    assert verdicts.keys() <= static
    assert set(verdicts.values()) <= {"pass", "not-applicable"}
    assert {"PAR-001", "PAIR-001", "ENG-003", "FIT-003"} <= run.with_verdict(
        "deepseek-r1-mtp-disagg", "pass"
    )
    assert run.report["decision"] == "accepted"


def test_a_run_leaves_a_journal_and_all_renderings(tmp_path: Path) -> None:
    run = rehearse(tmp_path, TINY_AGG, "--fault", "drops_the_done_marker")

    assert run.exit_code == 1
    assert run.run_dir is not None
    journal = read_journal(run.run_dir / "journal.ndjson")
    assert (journal.complete, journal.problems) == (True, ())
    jsonschema.validate(run.report, schema())
    suite = ET.parse(run.run_dir / "junit.xml").getroot()  # noqa: S314 - our own file
    failures = [
        case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None
    ]
    assert failures == ["test_a_stream_ends_with_one_done"]
    summary = (run.run_dir / "summary.md").read_text()
    assert "rejected" in summary
    assert "ST-03" in summary


def test_a_failure_shows_its_evidence_and_the_command_that_repeats_it(tmp_path: Path) -> None:
    run = rehearse(tmp_path, TINY_AGG, "--fault", "drops_the_done_marker")
    (topology,) = run.report["topologies"]
    (row,) = (row for row in topology["rows"] if row["requirement"] == "ST-03")

    evidence = json.loads(Path(row["evidence"][0]).read_text())
    assert evidence["status"] == 200
    assert evidence["nonce"] in evidence["request_body"]
    assert "[DONE]" not in evidence["body"]["text"]
    for word in ("expected:", "actual:", "source:", "evidence:", "hint:", "repeat:"):
        assert word in run.output
    assert row["repeat"] in run.output
    again = run_suite(tmp_path / "again", *shlex.split(row["repeat"])[1:])
    assert again.with_verdict("tiny-agg", "fail") == {"ST-03"}
