"""One table of odd answers that every call of every ledger passes: never dead, never doubled, always a reason.

Reports: pyxero#211 (a 400 without JSON), xero-php-oauth2#26 and #188, xero-ruby#311, xero-node#404 (404 at the
gateway), node-quickbooks#128, RFC 9110 on Retry-After.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from django.utils.module_loading import import_string

from accounting.ledgers import LEDGERS
from accounting.ledgers.orders import AllocationOrder, CreditNoteOrder, PaymentRemovalOrder
from accounting.ledgers.protocol import Ledger
from accounting.models import ManualTask, Posting
from accounting.posting.manual_tasks import schedule_task_check
from accounting.posting.services import retry_postings
from connections.rate_limiter.limiter import BudgetAccount
from connections.tokens import get_access_token
from payments.models import Payment
from sandbox.core.odd_answers import ODD_ANSWERS
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.accounting.ledgers.ledger_case import TODAY, LedgerCase, aud, build_contact_order, build_credit_note_order
from tests.accounting.mirror.ledger_actions import act_in_ledger, make_invoice
from tests.accounting.posting.debits import CARD, create_processing_attempt
from tests.scenarios.base import list_ledger_rows
from tests.tenants import Tenant, deliver_outbox
from wisepay.addresses import new_reference
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import OutboxMessage

Call = Callable[[Ledger], Any]
DAY = timedelta(days=1)
UNKNOWN_IDS = {"xero": "7b0f6e5e-3a52-4d3e-9a41-3f1f2f7b6c11", "quickbooks": "77-78"}


def open_fresh_ledger(case: LedgerCase) -> Ledger:
    """A ledger whose calls nobody counts: a limit that an answer names is not that of the next call."""
    connection = case.tenant.connection
    account = BudgetAccount(connection.provider, new_reference(), connection.organisation_id)
    token = get_access_token(connection, now=timezone.now())
    ledger: Ledger = import_string(LEDGERS[connection.provider].path)(token, account, priority="company")
    return ledger


def list_calls(case: LedgerCase) -> dict[str, Call]:
    """Every verb of a ledger, with orders that it could carry out."""
    contact_id, provider = case.create_contact(), case.tenant.connection.provider
    invoice = case.create_invoice(contact_id)
    note = case.create_credit_note(contact_id=contact_id)
    document = case.build_document_order(contact_id, "PF-9")
    paid = case.build_payment_order(invoice, contact_id)
    foreign = replace(paid, is_foreign=True, number="PF-8")
    back = case.build_refund_order(note, contact_id, 100)
    used = AllocationOrder(
        "PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(100), contact_id, id=UNKNOWN_IDS[provider]
    )
    approved = build_credit_note_order(note)
    update = replace(document, id=invoice.id, number=invoice.number, amount=aud(70_000))
    calls: dict[str, Call] = {
        "create_contacts": lambda b: b.create_contacts([build_contact_order("New")], key="k1"),
        "create_invoices": lambda b: b.create_invoices([document], key="k2"),
        "find_invoices": lambda b: b.find_invoices([document]),
        "update_invoices": lambda b: b.update_invoices([update], key="k3"),
        "find_updated_invoices": lambda b: b.find_updated_invoices([update]),
        "create_credit_notes": lambda b: b.create_credit_notes([replace(document, number="PF_CR-9")], key="k4"),
        "find_credit_notes": lambda b: b.find_credit_notes([replace(document, number="PF_CR-9")]),
        "void_credit_notes": lambda b: b.void_credit_notes([approved], key="k5"),
        "find_voided_credit_notes": lambda b: b.find_voided_credit_notes([approved]),
        "create_payments": lambda b: b.create_payments([paid], key="k6"),
        "find_payments": lambda b: b.find_payments([paid]),
        "find_payments of others": lambda b: b.find_payments([foreign]),
        "create_refunds": lambda b: b.create_refunds([back], key="k7"),
        "find_refunds": lambda b: b.find_refunds([back]),
        "create_allocations": lambda b: b.create_allocations([used], key="k9"),
        "find_allocations": lambda b: b.find_allocations([used]),
        "remove_allocations": lambda b: b.remove_allocations([used], key="k10"),
        "find_removed_allocations": lambda b: b.find_removed_allocations([used]),
    }
    if case.ledger.supports_drafts:
        draft = replace(document, number="PF_CR-8")
        calls |= {
            "create_draft_credit_notes": lambda b: b.create_draft_credit_notes([draft], key="k11"),
            "approve_credit_notes": lambda b: b.approve_credit_notes([approved], key="k12"),
            "remove_draft_credit_notes": lambda b: b.remove_draft_credit_notes([approved], key="k13"),
            "find_removed_draft_credit_notes": lambda b: b.find_removed_draft_credit_notes([approved]),
        }
    if case.ledger.needs_item:
        calls |= {
            "read_items": lambda b: b.read_items(),
            "get_or_create_item": lambda b: b.get_or_create_item("A new one", account="1", key="k14"),
            "read_settings_warning": lambda b: b.read_settings_warning(),
        }
    gone = PaymentRemovalOrder("PF-R", UNKNOWN_IDS[provider])
    return calls | list_removing_calls(gone, approved) | list_reading_calls(contact_id, invoice.id, note.id)


def list_removing_calls(gone: PaymentRemovalOrder, approved: CreditNoteOrder) -> dict[str, Call]:
    """The verbs that remove a payment, and that look for what was approved or removed."""
    return {
        "find_approved_credit_notes": lambda b: b.find_approved_credit_notes([approved]),
        "remove_payments": lambda b: b.remove_payments([gone], key="k8"),
        "find_removed_payments": lambda b: b.find_removed_payments([gone]),
    }


def list_reading_calls(contact_id: str, invoice_id: str, note_id: str) -> dict[str, Call]:
    """The verbs that read pages, documents and lists."""
    since = timezone.now() - DAY
    return {
        "read_invoice_pdf": lambda b: b.read_invoice_pdf(invoice_id),
        "read_contact_page": lambda b: b.read_contact_page(1, since=None),
        "read_contact_page since": lambda b: b.read_contact_page(1, since=since),
        "read_contacts": lambda b: b.read_contacts([contact_id]),
        "read_invoice_page": lambda b: b.read_invoice_page(1, since=None),
        "read_invoices": lambda b: b.read_invoices([invoice_id]),
        "read_credit_note_page": lambda b: b.read_credit_note_page(1, since=None),
        "read_credit_notes_by_id": lambda b: b.read_credit_notes_by_id([note_id]),
        "read_payment_page": lambda b: b.read_payment_page(1, since=None),
        "read_payment_page since": lambda b: b.read_payment_page(1, since=since),
        "read_accounts": lambda b: b.read_accounts(),
        "read_tax_codes": lambda b: b.read_tax_codes(),
        "read_terms": lambda b: b.read_terms(),
        "read_credit_notes_by_number": lambda b: b.read_credit_notes_by_number(["PF_CR-1"]),
        "find_contacts": lambda b: b.find_contacts([build_contact_order("New")]),
        "find_contacts with a quote": lambda b: b.find_contacts([build_contact_order('The "New"')]),
    }


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_every_call_passes_every_odd_answer(ledger_case: LedgerCase, name: str) -> None:
    """It is weather, a refusal or a disconnection, in words; nothing else comes out of a ledger."""
    world, provider = ledger_case.tenant.world, ledger_case.tenant.connection.provider
    for verb, call in list_calls(ledger_case).items():
        with world.inject_fault(provider, "odd", name=name, times=None):
            problem = find_problem(name, verb, partial(call, open_fresh_ledger(ledger_case)))
        assert problem == "", (verb, name)


def find_problem(name: str, verb: str, call: Callable[[], Any]) -> str:
    """What is wrong with how a verb takes an odd answer; empty when nothing is."""
    try:
        found = call()
    except (Unavailable, Rejected, Disconnected) as error:
        pause = getattr(error, "retry_after", None)
        if pause is not None and not 0 < pause <= DAY.total_seconds():
            return f"waits {pause}"
        is_weather = isinstance(error, Unavailable)
        if name.startswith(("2", "3", "5", "429")) and not is_weather:
            return f"weather is taken for {error!r}"
        return "" if str(error).strip() else "no reason"
    if not name.startswith("2"):
        return f"a refusal is taken for {found!r}"
    return f"nothing is taken for {found!r}" if verb.startswith("create") and any(one.id for one in found) else ""


def count_documents(tenant: Tenant, payment: Payment) -> dict[str, int]:
    """How many of each document the ledger has of a payment."""
    numbers = dict(Posting.objects.filter(payment=payment).values_list("kind", "number"))
    fields = {
        "invoice": ("Invoices", "InvoiceNumber"),
        "credit_note": ("CreditNotes", "CreditNoteNumber"),
        "payment": ("Payments", "Reference"),
    }
    return {
        kind: len(list_ledger_rows(tenant, plural, where=f'{field}=="{numbers[kind]}"'))
        for kind, (plural, field) in fields.items()
    }


WRITES = {"xero": {"method": "PUT"}, "quickbooks": {"path": "*/batch"}}


@pytest.mark.parametrize("does_work", [True, False])
@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_a_paid_quote_is_posted_once_whatever_is_answered(
    any_tenant: Tenant, deliver: Callable[..., int], name: str, does_work: bool
) -> None:
    """At each write in turn, with the write done or not; while it waits people read why."""
    deliver()
    checkout = any_tenant.open_checkout()
    provider = any_tenant.connection.provider
    times = 1 if name in ("401", "403") else 4  # a second one ends the connection
    any_tenant.world.fault(provider, "odd", name=name, works=does_work, times=times, **WRITES[provider])
    checkout.pay()
    deliver()
    for hour in range(1, 40):
        refused = Posting.objects.filter(state="rejected")
        if not refused.exists() and not Posting.objects.filter(state__in=Posting.UNSENT_STATES).exists():
            break
        dead = OutboxMessage.objects.filter(state="dead").values_list("last_error", flat=True)
        assert list(dead) == []
        assert [posting.number for posting in refused if not posting.error] == []
        if refused.exists():
            retry_postings(any_tenant.merchant, by="admin@example.com", now=timezone.now())
        deliver(at=timezone.now() + timedelta(hours=hour))
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    assert count_documents(any_tenant, checkout.payment) == {"invoice": 1, "credit_note": 1, "payment": 1}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_a_payers_invoice_document_is_never_an_error_page(any_tenant: Tenant, name: str) -> None:
    scenario = InvoiceScenario(any_tenant)
    invoice = scenario.create_invoice()
    provider = any_tenant.connection.provider
    with any_tenant.world.inject_fault(provider, "odd", name=name, times=None, path="*nvoice*"):
        answer = scenario.client.get(f"/my/invoices/{invoice.reference}/pdf")
    assert answer.status_code in (302, 404, 409, 429, 503), answer.status_code


def create_refund_task(tenant: Tenant) -> None:
    """A task: more of a credit was put to an invoice than a refund leaves room for."""
    checkout = tenant.open_checkout()
    paid = create_processing_attempt(tenant, checkout.payment, CARD)
    paid.settle()
    deliver_outbox()
    make_invoice(tenant, "INV-9", "600", contact=checkout.payment.company.name)
    act_in_ledger(tenant, "allocate", credit_note=paid.note.number, invoice="INV-9")
    paid.refund(10_000)
    deliver_outbox()
    assert ManualTask.objects.get(state="open").kind == "refund"


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_looking_at_manual_tasks_survives_every_answer(any_tenant: Tenant, name: str) -> None:
    deliver_outbox()
    create_refund_task(any_tenant)
    provider = any_tenant.connection.provider
    with any_tenant.world.inject_fault(provider, "odd", name=name, times=1):
        schedule_task_check(any_tenant.merchant, now=timezone.now())
        deliver_outbox()
    assert ManualTask.objects.filter(state="open").count() == 1
    message = OutboxMessage.objects.get(key=f"look:{any_tenant.merchant.pk}")
    assert (message.state, bool(message.last_error)) == ("pending", True)
