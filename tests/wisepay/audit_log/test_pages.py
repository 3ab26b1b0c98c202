"""The audit log's page: in words, filtered, page by page, and as CSV; the operators' page of what is no merchant's."""

import ast
import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.tenants import PASSWORD, Tenant, give_role
from tests.test_house import MODULES
from wisepay import clock
from wisepay.audit import record_audit_entry
from wisepay.audit_log.descriptions import DESCRIPTIONS, KINDS, describe_action, get_kind
from wisepay.audit_log.erasure import erase_person
from wisepay.models import AuditEntry, User


def show(tenant: Tenant, query: str = "") -> str:
    answer = tenant.admin.get(tenant.url(f"audit{query}"))
    assert answer.status_code == 200
    return answer.content.decode().split("<tbody>")[-1].split("</table>")[0]


def export(tenant: Tenant, query: str = "") -> list[dict[str, str]]:
    answer: Any = tenant.admin.get(tenant.url(f"audit/export.csv{query}"))
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def log(tenant: Tenant) -> Tenant:
    """A log of some size, of two people."""
    clerk = User.objects.create_user("clerk@northwind-it.example", name="Clerk Kent")
    for number in range(130):
        record_audit_entry(
            "payment.refunded", merchant_id=tenant.merchant.pk, user=clerk, ip="198.51.100.1",
            subject=f"Quote {number:03}", detail="A$1.00",
        )  # fmt: skip
    record_audit_entry(
        "terms.published", merchant_id=tenant.merchant.pk, user=tenant.user, ip="2001:db8::1", subject="=1+1",
        detail="Version: 1 → 2",
    )  # fmt: skip
    return tenant


@pytest.mark.parametrize(
    ("query", "there", "missing"),
    [
        ("", "Published terms", "Quote 000"),
        ("?page=3", "Quote 010", "Published terms"),
        ("?page=999", "Quote 000", "Published terms"),
        ("?person=clerk@northwind-it.example", "Quote 129", "Published terms"),
        ("?kind=settings", "Published terms", "Quote 129"),
        ("?kind=payments", "Quote 129", "Published terms"),
        ("?q=quote+042", "Quote 042", "Quote 041"),
        ("?q=published", "Version: 1 → 2", "Quote 129"),
        ("?q=2001:db8", "Published terms", "Quote 129"),
        ("?first=2020-01-01&last=2120-01-01", "Published terms", "Quote 000"),
    ],
)
def test_the_filters_leave_what_was_asked_for(log: Tenant, query: str, there: str, missing: str) -> None:
    shown = show(log, query)
    assert there in shown
    assert missing not in shown
    if "page" not in query:
        assert there in " ".join(" ".join(row.values()) for row in export(log, query))


def test_days_are_the_merchants_and_whole(log: Tenant) -> None:
    today = clock.now().astimezone(log.merchant.zone).date()
    assert "Published terms" in show(log, f"?first={today}&last={today}")
    tomorrow = today + timedelta(days=1)
    answer = log.admin.get(log.url(f"audit?first={tomorrow}")).content.decode()
    assert "Nothing matches" in answer


@pytest.mark.parametrize(
    "query",
    [
        "?person=nobody@example.com",
        "?kind=x",
        "?first=yesterday",
        "?first=2026-02-01&last=2026-01-01",
        "?q=" + "a" * 200,
    ],
)
def test_a_filter_that_makes_no_sense_is_answered_at_its_field(log: Tenant, query: str) -> None:
    for path in ("audit", "audit/export.csv"):
        answer = log.admin.get(log.url(path + query))
        assert answer.status_code == 422
        assert "errorlist" in answer.content.decode()
    assert log.admin.get(log.url("audit?page=x&q=%25_%27")).status_code == 200


def test_the_export_is_streamed_whole_computes_nothing_and_is_written_down(log: Tenant) -> None:
    rows = export(log)
    assert len(rows) == AuditEntry.objects.filter(merchant_id=log.merchant.pk).count()
    [terms] = [row for row in rows if row["action"] == "terms.published"]
    assert (terms["about"], terms["kind"], terms["from"]) == ("'=1+1", KINDS["settings"], "2001:db8::1")
    assert AuditEntry.objects.filter(action="audit.exported", user=log.user).count() == 1


def test_a_stranger_and_a_user_read_and_export_nothing(log: Tenant, stranger: Tenant) -> None:
    for path in ("audit", "audit/export.csv"):
        assert stranger.admin.get(log.url(path)).status_code == 404
        assert "Quote 129" not in b"".join(stranger.admin.get(stranger.url(path))).decode()
    give_role(log.merchant, "user")
    assert log.admin.get(log.url("audit/export.csv")).status_code == 403


def test_what_was_erased_is_shown_as_erased(log: Tenant) -> None:
    clerk = User.objects.get(email="clerk@northwind-it.example")
    with transaction.atomic():
        erase_person(clerk.pk, texts=[clerk.email])
    shown = show(log)
    assert "[erased]" in shown
    assert "Clerk Kent" not in shown
    assert "Quote 129" in shown


def test_operators_read_what_belongs_to_no_merchant_and_others_do_not(log: Tenant) -> None:
    record_audit_entry("sign_in.failed", merchant_id=None, user=None, ip="198.51.100.7")
    operator = Client()
    operator.force_login(User.objects.create_superuser("operator@example.com", PASSWORD))
    page = operator.get("/operators/audit/").content.decode()
    assert "Failed to sign in" in page
    assert "Published terms" not in page
    assert "Published terms" in operator.get(f"/operators/audit/?merchant={log.merchant.pk}").content.decode()
    assert operator.get("/operators/audit/?merchant=x&page=0").status_code == 200
    for other in (log.admin, Client()):
        assert other.get("/operators/audit/").status_code == 302


RECORDING = r"record_\w*(?:_audit|_audit_entry|_act)"


def list_actions() -> set[str]:
    """Every action that the product's code writes by name."""
    found: set[str] = set()
    for path in MODULES:
        if "tests" in path.parts or "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if (
                isinstance(node, ast.Call)
                and name.startswith("record_")
                and name.endswith(("_audit", "_audit_entry", "_act"))
            ):
                found |= {str(a.value) for a in node.args if isinstance(a, ast.Constant) and "." in str(a.value)}
    return found


def test_every_action_has_words_and_a_kind() -> None:
    actions = list_actions()
    assert len(actions) >= 45
    assert len(actions - set(DESCRIPTIONS)) <= len(actions) // 10
    for action in actions:
        assert not {".", "_"} & set(describe_action(action))
        assert get_kind(action) in KINDS
    assert {get_kind(action) for action in DESCRIPTIONS} == set(KINDS)
