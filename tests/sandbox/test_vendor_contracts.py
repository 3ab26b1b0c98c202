"""Everything that people who pay and people who refund need of the vendors, judged by the vendors' contracts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import stripe
from xero_python.accounting import models

from sandbox.harness.sandbox_process import ROOT, SandboxProcess
from tests.sandbox.stripe.test_debits import BANK_ACCOUNTS, create_debit_of_kind
from tests.sandbox.stripe.test_payments import (
    RETURN_URL,
    answer_challenge,
    build_client,
    create_confirmation_token,
    create_setup_intent,
    pay_with_method,
)
from tests.sandbox.xero.app import XeroApp, build_credit_note, build_invoice, build_payment

CHECK = Path(os.environ.get("CONTRACTS") or ROOT.parent / "shared" / "contracts") / "check.py"
PRESENTATION: Any = {"summarize_errors": False}


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
@pytest.mark.parametrize("vendor", ["stripe", "xero"])
def test_the_traffic_of_everybody_keeps_the_vendors_contract(
    sandbox: SandboxProcess, tmp_path: Path, vendor: str
) -> None:
    exercise_bookkeeping(XeroApp(sandbox).connect()) if vendor == "xero" else exercise_payments(sandbox)
    exchanges = sandbox.journal(vendor)
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in exchanges))
    command = [sys.executable, str(CHECK), str(journal), "--service", vendor]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert len(exchanges) >= {"stripe": 60, "xero": 15}[vendor]


def exercise_payments(sandbox: SandboxProcess) -> None:
    """Customers, saved methods, debits, refunds, disputes."""
    client = build_client(sandbox, "sk_test_merchant")
    customer = client.v1.customers.create({"name": "Harbour Dental", "metadata": {"payer": "p-1"}}).id
    client.v1.customers.retrieve(customer)
    exercise_saved_methods(sandbox, client, customer)
    intents = [
        create_debit_of_kind(sandbox, client, kind, customer=customer, setup_future_usage="off_session")
        for kind in BANK_ACCOUNTS
    ]
    closed = create_debit_of_kind(sandbox, client, "us_bank_account", account={"account_number": "000111111113"})
    disputed = create_debit_of_kind(sandbox, client, "us_bank_account", account={"account_number": "000555555559"})
    sandbox.advance(3 * 86400)
    sandbox.advance(86400)
    for intent in [*intents, closed, disputed]:
        client.v1.payment_intents.retrieve(
            intent.id, {"expand": ["latest_charge.balance_transaction", "payment_method"]}
        )
    client.v1.disputes.list({"payment_intent": disputed.id})
    exercise_refunds_and_disputes(sandbox, client, intents[0].id)
    client.v1.payment_intents.list({"limit": 100, "expand": ["data.latest_charge"]})
    mandate: Any = client.v1.charges.list({"payment_intent": disputed.id}).data[0].payment_method_details
    client.v1.mandates.retrieve(mandate.us_bank_account.mandate)
    sandbox.advance(3 * 86400)
    for payout in client.v1.payouts.list({"limit": 100}).data:
        client.v1.payouts.retrieve(payout.id)
        client.v1.balance_transactions.list({"payout": payout.id, "expand": ["data.source"]})
    client.v1.balance_transactions.list({"limit": 100, "created": {"gte": 1}})
    client.v1.events.list({"limit": 100})
    client.v1.balance.retrieve()


def exercise_saved_methods(sandbox: SandboxProcess, client: stripe.StripeClient, customer: str) -> None:
    """Save a card after its bank asked, use it, change it, give it up; fail to save another."""
    number = {"exp_month": "12", "exp_year": "34", "cvc": "123"}
    params: Any = {"customer": customer, "confirm": True, "usage": "off_session", "return_url": RETURN_URL}
    params |= {"allowed_payment_method_types": ["card"], "use_stripe_sdk": True}
    asked: Any = create_setup_intent(
        client, **params, confirmation_token=create_confirmation_token(sandbox, number="4000002760003184", **number)
    )
    answer_challenge(asked, "complete")
    done: Any = client.v1.setup_intents.retrieve(asked.id, {"expand": ["payment_method"]})
    saved = str(done.payment_method.id)
    with pytest.raises(stripe.CardError):
        create_setup_intent(
            client, **params, confirmation_token=create_confirmation_token(sandbox, number="4000000000000002", **number)
        )
    with pytest.raises(stripe.CardError):
        pay_with_method(client, saved, customer=customer, off_session=True)
    seen = pay_with_method(client, saved, customer=customer, use_stripe_sdk=True)
    answer_challenge(seen, "complete")
    client.v1.setup_intents.list({"created": {"gte": 1}, "limit": 100})
    client.v1.payment_methods.update(saved, {"card": {"exp_month": 3}})
    sandbox.post("/stripe/_control", {"renew": saved})
    client.v1.customers.payment_methods.list(customer, {"limit": 100})
    client.v1.payment_methods.detach(saved)
    client.v1.payment_methods.retrieve(saved)
    other = client.v1.setup_intents.create({"customer": customer, "allowed_payment_method_types": ["card"]})
    client.v1.setup_intents.cancel(other.id)


def exercise_refunds_and_disputes(sandbox: SandboxProcess, client: stripe.StripeClient, debit: str) -> None:
    """Refund a card and a debit, well and badly; win and lose a dispute."""
    paid = [pay_with_method(client, customer=client.v1.customers.create({}).id) for _ in range(3)]
    part: Any = {"payment_intent": paid[0].id, "amount": 500, "reason": "requested_by_customer", "metadata": {"r": "1"}}
    client.v1.refunds.create(part, {"idempotency_key": "r-1"})
    slow = client.v1.refunds.create({"payment_intent": debit})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": debit})
    sandbox.post("/stripe/_control", {"fail_refund": slow.id})
    client.v1.refunds.retrieve(slow.id)
    client.v1.refunds.list({"payment_intent": paid[0].id})
    for intent, words in ((paid[1], "winning_evidence"), (paid[2], "losing_evidence")):
        created = sandbox.post("/stripe/_control", {"dispute": intent.id})["dispute"]
        client.v1.disputes.update(created["id"], {"evidence": {"uncategorized_text": words}})
        client.v1.disputes.retrieve(created["id"])
        client.v1.charges.retrieve(created["charge"])


def exercise_bookkeeping(app: XeroApp) -> None:
    """Drafts approved, deleted, voided; allocations; payments made and taken back; refunds; lists."""
    api, tenant = app.build_library(), app.tenant
    api.create_invoices(
        tenant, {"Invoices": [build_invoice("PF1"), build_invoice("INV-1", "300.00")]}, unitdp=4, **PRESENTATION
    )
    drafts = [build_credit_note(f"PF_CR{n}", Status="DRAFT") for n in range(3)]
    created = api.create_credit_notes(tenant, {"CreditNotes": drafts}, unitdp=4, **PRESENTATION).credit_notes
    expected = zip(created, ("AUTHORISED", "DELETED", "AUTHORISED"), strict=True)
    moved = [models.CreditNote(credit_note_id=row.credit_note_id, status=status) for row, status in expected]
    for key in ("k-1", "k-2"):
        api.update_or_create_credit_notes(
            tenant, models.CreditNotes(credit_notes=moved), idempotency_key=key, unitdp=4, **PRESENTATION
        )
    exercise_credit_notes(app, created[0].credit_note_id, created[2].credit_note_id)
    api.get_credit_notes(tenant, page=1, page_size=2, where='CreditNoteNumber=="PF_CR0"')
    api.get_contacts(tenant, page=1, page_size=2, summary_only=True, search_term="bay", include_archived=True)
    api.get_payments(tenant, page=1, page_size=10, where='Status=="AUTHORISED"')
    api.get_invoices(tenant, page=1, page_size=1000, statuses=["AUTHORISED", "PAID"], invoice_numbers=["PF1"])


def exercise_credit_notes(app: XeroApp, first: str, second: str) -> None:
    """Use two approved notes: one against an invoice and back again, one as a refund."""
    api, tenant = app.build_library(), app.tenant
    # Not models.Invoice: the library would send its HasAttachments, which the contract has as read-only.
    target = {"InvoiceID": api.get_invoice(tenant, "INV-1").invoices[0].invoice_id}
    entry = {"Invoice": target, "Amount": 110.0, "Date": "2026-05-03"}
    saved = api.create_credit_note_allocation(
        tenant, first, {"Allocations": [entry]}, idempotency_key="a-1", **PRESENTATION
    ).allocations[0]
    api.get_credit_note(tenant, first)
    api.delete_credit_note_allocations(tenant, first, saved.allocation_id)
    void = models.CreditNotes(credit_notes=[models.CreditNote(credit_note_id=first, status="VOIDED")])
    api.update_or_create_credit_notes(tenant, void, idempotency_key="v-1", **PRESENTATION)
    refund = {**build_payment("", "110.00"), "CreditNote": {"CreditNoteID": second}}
    del refund["Invoice"]
    rows = api.create_payments(tenant, {"Payments": [build_payment("PF1", "110.00"), refund]}, **PRESENTATION).payments
    for row in rows:
        api.delete_payment(
            tenant, row.payment_id, models.PaymentDelete(status="DELETED"), idempotency_key=row.payment_id
        )
