"""Reports of browsers: counted without anybody's secret, and nobody can fill the table."""

import json
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import resolve
from pytest_django import Settings

from sandbox.harness.sandbox_process import SandboxProcess
from wisepay import clock
from wisepay.models import PageFinding
from wisepay.page_findings import MAX_ROWS, delete_old_page_findings, record_page_finding

URL = "/csp-reports"
REF = "abcdefghij0123456789"


def report(settings: Settings, **changes: Any) -> dict[str, Any]:
    """What a browser sends about an injected script on a payment page."""
    found = {
        "document-uri": f"{settings.PUBLIC_URL}/pay/{REF}/guest?token=tok3n",
        "violated-directive": "script-src-elem",
        "blocked-uri": f"https://evil.example/skim.js?{REF}",
        "script-sample": "4242424242424242",
    }
    return {"csp-report": found | changes}


def send(body: Any, *, kind: str = "application/csp-report", **client: Any) -> int:
    """Post a report; the status of the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return int(Client(**client).post(URL, raw, content_type=kind).status_code)


def test_a_report_is_counted_without_reference_token_or_sample(db: None, settings: Settings) -> None:
    assert [send(report(settings)) for _ in range(3)] == [204] * 3
    [finding] = PageFinding.objects.all()
    assert (finding.rule, finding.subject, finding.count) == ("script-src-elem", "https://evil.example", 3)
    assert finding.page == resolve(f"/pay/{REF}/guest").route
    assert not [v for v in vars(finding).values() if REF in str(v) or "tok3n" in str(v) or "4242" in str(v)]


def test_the_newer_form_of_reports_is_read_as_well(db: None, settings: Settings) -> None:
    body = {"effectiveDirective": "img-src", "blockedURL": "inline", "documentURL": f"{settings.PUBLIC_URL}/my/"}
    assert send([{"type": "csp-violation", "body": body}] * 20, kind="application/reports+json") == 204
    [finding] = PageFinding.objects.all()
    assert (finding.rule, finding.subject, finding.page, finding.count) == ("img-src", "inline", "my/", 10)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/csp-report", 400),
        (b"[" * 8_000, "application/csp-report", 400),
        (b"\xff\xfe", "application/csp-report", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b" " * 17_000, "application/csp-report", 413),
        (b"[1, null, [], {}]", "application/reports+json", 204),
        (
            b'{"csp-report": {"blocked-uri": "http://[", "violated-directive": "\\u0000\\ud800"}}',
            "application/json",
            204,
        ),
    ],
)
def test_what_is_no_report_does_no_harm(db: None, body: bytes, kind: str, status: int) -> None:
    assert send(body, kind=kind) == status
    assert Client().get(URL).status_code == 405


def test_reports_of_one_address_are_limited(db: None, settings: Settings) -> None:
    answers = [send(report(settings), REMOTE_ADDR="203.0.113.5") for _ in range(25)]
    assert answers == [204] * 20 + [429] * 5
    assert send(report(settings), REMOTE_ADDR="203.0.113.6") == 204


def test_the_table_has_an_end(db: None) -> None:
    now = clock.now()
    for number in range(MAX_ROWS + 5):
        record_page_finding(source="browser", rule="img-src", subject=f"https://{number}.example", page="", now=now)
    assert PageFinding.objects.count() == MAX_ROWS
    record_page_finding(source="browser", rule="img-src", subject="https://0.example", page="", now=now)
    assert PageFinding.objects.get(subject="https://0.example").count == 2
    assert delete_old_page_findings(now=now + timedelta(days=91)) == MAX_ROWS


def test_the_doctor_tells_of_reports_and_alarms(db: None, world: SandboxProcess, settings: Settings) -> None:
    send(report(settings))
    said = StringIO()
    record_page_finding(
        source="check", rule="script that was changed", subject="js/paynow.js", page="", now=clock.now()
    )
    with pytest.raises(CommandError):
        call_command("doctor", stdout=said)
    assert re.search(r"^note  csp reports +1 of 1 kinds", said.getvalue(), re.MULTILINE)
    assert re.search(r"^BAD   payment page +script that was changed: js/paynow\.js$", said.getvalue(), re.MULTILINE)


def test_every_policy_names_the_address_for_reports(db: None) -> None:
    assert "report-uri /csp-reports" in Client().get("/accounts/login/")["Content-Security-Policy"]


def test_security_txt_says_where_a_finding_goes(db: None, settings: Settings) -> None:
    answer = Client().get("/.well-known/security.txt")
    lines = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
    assert lines["Contact"] == settings.SECURITY_CONTACT
    assert lines["Expires"] > clock.now().isoformat()
    assert lines["Canonical"] == f"{settings.PUBLIC_URL}/.well-known/security.txt"
    assert answer["Content-Type"].startswith("text/plain")
    assert "public" in answer["Cache-Control"]
