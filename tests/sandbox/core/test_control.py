"""The control API: faults, the clock, the journal, the state, and life of the process."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import stripe

from sandbox.harness.sandbox_process import SandboxProcess

BALANCE = "/stripe/v1/balance"
KEY = {"Authorization": "Bearer sk_test_control"}


def test_the_clock_moves_and_a_reset_takes_it_back(sandbox: SandboxProcess) -> None:
    sandbox.advance(3600)
    moved = datetime.fromisoformat(sandbox.state()["now"])
    assert timedelta(minutes=59) < moved - datetime.now(UTC) < timedelta(minutes=61)
    sandbox.post("/_control/clock", {"at": "2030-01-02T03:04:05+00:00"})
    assert sandbox.state()["now"].startswith("2030-01-02T03:04:0")
    sandbox.reset()
    assert abs(datetime.fromisoformat(sandbox.state()["now"]) - datetime.now(UTC)) < timedelta(seconds=5)


def test_people_move_the_clock_with_buttons(sandbox: SandboxProcess) -> None:
    page = sandbox.get("/").text
    assert all(words in page for words in ("One hour later", "One day later", "Five days later"))
    for by in ("hour", "day", "week"):
        answer = sandbox.session.post(f"{sandbox.url}/clock", data={"by": by}, timeout=5)
        assert answer.status_code == 200
    assert sandbox.state()["offset"] == 3600 + 6 * 86400
    assert "moved by 145 hours" in sandbox.get("/").text
    assert sandbox.session.post(f"{sandbox.url}/clock", data={"by": "year"}, timeout=5).status_code == 400


def test_the_clock_refuses_nonsense(sandbox: SandboxProcess) -> None:
    for order in ({}, {"at": "2030-01-02T03:04:05"}, {"at": "soon"}, {"advance": "long"}):
        assert requests.post(f"{sandbox.url}/_control/clock", json=order, timeout=5).status_code == 400


def test_config_stays_over_a_reset_unless_it_is_asked_to_go(sandbox: SandboxProcess) -> None:
    sandbox.config(cpq_api_key="secret")
    sandbox.reset()
    assert sandbox.state()["config"]["cpq_api_key"] == "secret"
    sandbox.reset(config=True)
    assert "cpq_api_key" not in sandbox.state()["config"]


def test_the_journal_masks_keys_and_counts_on(sandbox: SandboxProcess) -> None:
    sandbox.get(BALANCE, headers=KEY)
    sandbox.get(BALANCE + "?", headers=KEY)
    first, second = sandbox.journal("stripe")
    assert first["request_headers"]["Authorization"] == "Bearer ***"
    assert (first["method"], first["path"], first["status"]) == ("GET", "/v1/balance", 200)
    assert first["url"] == sandbox.url + BALANCE
    assert sandbox.journal("stripe", since=second["index"]) == [second]
    assert sandbox.journal("xero") == []
    assert "sk_test_control" not in str(first)


def test_a_status_fault_answers_in_the_vendors_shape_and_is_marked(sandbox: SandboxProcess) -> None:
    sandbox.fault("stripe", "status", status=429, path="/v1/bal*", times=1)
    refused = requests.get(sandbox.url + BALANCE, headers=KEY, timeout=5)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit"
    sandbox.get(BALANCE, headers=KEY)
    assert [entry.get("fault", False) for entry in sandbox.journal("stripe")] == [True, False]


def test_a_fault_skips_and_counts_and_is_cleared(sandbox: SandboxProcess) -> None:
    sandbox.fault("stripe", "status", status=503, method="GET", skip=1, times=None)
    statuses = [requests.get(sandbox.url + BALANCE, headers=KEY, timeout=5).status_code for _ in range(3)]
    assert statuses == [200, 503, 503]
    sandbox.clear_faults()
    sandbox.get(BALANCE, headers=KEY)


def test_a_fault_that_makes_no_sense_is_refused(sandbox: SandboxProcess) -> None:
    for order in ({"kind": "status"}, {"service": "stripe", "kind": "magic"}, {"service": "s", "kind": "html", "x": 1}):
        assert requests.post(f"{sandbox.url}/_control/faults", json=order, timeout=5).status_code == 400


@pytest.mark.parametrize(("kind", "done"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_answer_breaks_the_connection(sandbox: SandboxProcess, kind: str, done: int) -> None:
    sandbox.fault("stripe", kind, path="/v1/customers")
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{sandbox.url}/stripe/v1/customers", data={"name": "A"}, headers=KEY, timeout=5)
    listed = sandbox.get("/stripe/v1/customers", headers=KEY).json()
    assert len(listed["data"]) == done
    assert sandbox.journal("stripe")[0]["fault_kind"] == kind


def test_a_dropped_answer_breaks_a_reused_connection_too(sandbox: SandboxProcess) -> None:
    with requests.Session() as session:
        session.get(sandbox.url + BALANCE, headers=KEY, timeout=5)
        sandbox.fault("stripe", "drop_after", method="POST")
        with pytest.raises(requests.ConnectionError):
            session.post(f"{sandbox.url}/stripe/v1/customers", data={"name": "A"}, headers=KEY, timeout=5)
        assert session.get(sandbox.url + BALANCE, headers=KEY, timeout=5).status_code == 200


def test_the_library_of_the_vendor_sees_a_broken_connection(sandbox: SandboxProcess) -> None:
    sandbox.fault("stripe", "drop_before")
    client = stripe.StripeClient(
        "sk_test_control", base_addresses={"api": f"{sandbox.url}/stripe"}, max_network_retries=0
    )
    with pytest.raises(stripe.APIConnectionError):
        client.v1.balance.retrieve()


def test_a_timeout_holds_the_call_and_does_not_do_the_work(sandbox: SandboxProcess) -> None:
    sandbox.fault("stripe", "timeout", seconds=0.4)
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{sandbox.url}/stripe/v1/customers", data={"name": "A"}, headers=KEY, timeout=5)
    assert time.monotonic() - began >= 0.4
    sandbox.fault("stripe", "timeout")
    with pytest.raises(requests.ReadTimeout):
        requests.get(sandbox.url + BALANCE, headers=KEY, timeout=0.2)
    assert sandbox.get("/stripe/v1/customers", headers=KEY).json()["data"] == []


def test_a_delay_does_the_work_late_and_html_is_no_json(sandbox: SandboxProcess) -> None:
    sandbox.fault("stripe", "delay", seconds=0.3)
    began = time.monotonic()
    sandbox.get(BALANCE, headers=KEY)
    assert time.monotonic() - began >= 0.3
    sandbox.fault("stripe", "html", status=502)
    page = requests.get(sandbox.url + BALANCE, headers=KEY, timeout=5)
    assert page.status_code == 502
    assert page.text.startswith("<html>")


def test_the_home_page_leads_everywhere(sandbox: SandboxProcess) -> None:
    page = sandbox.get("/")
    assert "/stripe/dashboard" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.thorough
def test_a_world_with_a_state_file_survives_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "world.json"
    with SandboxProcess.start(state=state) as running:
        running.post("/_control/config", {"cpq_api_key": "k"})
        requests.post(f"{running.url}/stripe/v1/customers", data={"name": "A"}, headers=KEY, timeout=5)
        running.advance(100)
    with SandboxProcess.start(state=state) as running:
        assert running.state()["config"]["cpq_api_key"] == "k"
        assert running.state()["offset"] == 100
        names = [item["name"] for item in running.get("/stripe/v1/customers", headers=KEY).json()["data"]]
        assert names == ["A"]
