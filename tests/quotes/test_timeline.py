"""A quote's way into the books: what is done, what is waited for, and what needs a person and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.crediting import save_threshold, undo_match
from accounting.models import AccountingSettings, Posting
from payments.sentences import failure_of
from quotes.timeline import Step, timeline_of
from tests.accounting.crediting_stage import Stage
from tests.accounting.debits import submit
from tests.people import Checkout, House, drain_outbox


@pytest.fixture
def stage(house: House) -> Stage:
    """The house, its payer and its bookkeeper."""
    drain_outbox()
    return Stage(house)


def steps(checkout: Checkout, **later: float) -> dict[str, Step]:
    """The quote's steps by name, as of now or later."""
    return {step.name: step for step in timeline_of(checkout.quote, now=timezone.now() + timedelta(**later))}


def states(checkout: Checkout) -> list[str]:
    """How far each step is."""
    return [step.state for step in steps(checkout).values()]


def page(stage: Stage, checkout: Checkout) -> str:
    """The panel."""
    path = stage.house.url(f"quotes/timeline/{checkout.payment.reference}")
    return stage.house.admin.get(path).content.decode()


def test_a_quote_whose_credit_was_applied_is_done_to_the_last_step(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference=f"Quote {checkout.quote.number}")
    assert states(checkout) == ["done"] * 6
    found = steps(checkout)
    assert list(found) == ["accepted", "paid", "credit", "invoice", "applied", "synced"]
    assert found["paid"].words.startswith("A$625.00, Visa")
    assert found["credit"].words == f"A$625.00, {stage.note(checkout).number}"
    assert found["invoice"].words == f"{invoice.number} over A$625.00"
    assert found["applied"].words == "A$625.00 went to the invoice."
    times = [step.at for step in found.values()]
    assert all(times)
    assert times == sorted(times, key=lambda at: at or timezone.now())
    text = page(stage, checkout)
    assert "every 5s" not in text
    assert "Needs a person" not in text


def test_an_unpaid_quote_waits_for_its_payer(stage: Stage) -> None:
    checkout = stage.house.open_checkout()
    assert states(checkout) == ["done", "waiting", "later", "later", "later", "later"]
    assert steps(checkout)["paid"].words == "A$625.00 is due. Nobody has tried to pay it yet."


def test_a_declined_card_is_said_and_an_expired_quote_too(stage: Stage) -> None:
    checkout = stage.house.open_checkout()
    checkout.pay("4000000000009995")
    paid = steps(checkout)["paid"]
    assert (paid.state, paid.words) == ("stuck", failure_of(checkout.attempts[0]))
    assert paid.words
    assert steps(checkout, days=400)["paid"].words == "The quote expired unpaid."


def test_a_bank_debit_on_its_way_has_a_draft_that_waits(stage: Stage) -> None:
    checkout = stage.house.open_checkout()
    submit(stage.house, checkout)
    drain_outbox()
    found = steps(checkout)
    assert (found["paid"].state, found["credit"].state) == ("waiting", "waiting")
    assert "draft until the bank debit has settled" in found["credit"].words


def test_a_credit_without_an_invoice_says_since_when(stage: Stage) -> None:
    checkout = stage.paid_quote()
    assert states(checkout) == ["done", "done", "done", "waiting", "later", "later"]
    assert steps(checkout)["invoice"].words == "No invoice that it could belong to yet."
    assert steps(checkout, days=4)["invoice"].words == "No invoice that it could belong to for 4 days."


def test_a_match_that_waits_for_a_person_leads_to_the_page_where_it_is_decided(stage: Stage) -> None:
    checkout = stage.paid_quote()
    stage.bill(reference="Onboarding")
    applied = steps(checkout)["applied"]
    assert (applied.state, applied.url) == ("stuck", stage.house.url("credits"))
    text = page(stage, checkout)
    assert "waits for a person." in text
    assert f'href="{stage.house.url("credits")}"' in text


def test_books_that_cannot_be_written_are_the_reason(stage: Stage) -> None:
    AccountingSettings.objects.update(clearing_account="")
    checkout = stage.paid_quote()
    credit = steps(checkout)["credit"]
    assert credit.state == "stuck"
    assert credit.words.startswith("Choose the clearing account")


def test_a_refused_document_says_what_the_books_said(stage: Stage) -> None:
    stage.by_hand("lock", date="2099-01-01")
    checkout = stage.paid_quote()
    credit = steps(checkout)["credit"]
    assert credit.state == "stuck"
    assert "lock date" in credit.words
    assert credit.url == stage.house.url("postings/")


def test_a_refused_allocation_and_one_on_its_way_are_told(stage: Stage) -> None:
    checkout = stage.paid_quote()
    stage.billing.bill("625.00", reference=f"Quote {checkout.quote.number}")
    stage.by_hand("lock", date="2099-01-01")
    drain_outbox()
    applied = steps(checkout)["applied"]
    assert (applied.state, "lock date" in applied.words) == ("stuck", True)
    Posting.objects.filter(kind="allocation").update(state="pending")
    assert steps(checkout)["applied"].state == "moving"
    assert "every 5s" in page(stage, checkout)


def test_what_was_undone_waits_for_another_invoice(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference=f"Quote {checkout.quote.number}")
    undo_match(stage.match(checkout), by=stage.house.user, now=timezone.now())
    assert steps(checkout)["applied"].words == "Being taken off again."
    drain_outbox()
    assert steps(checkout)["invoice"].words.startswith(f"Invoice {invoice.number} was undone. No invoice")


def test_a_person_who_applied_it_is_named(stage: Stage) -> None:
    save_threshold(stage.house.merchant, threshold=None, now=timezone.now())
    checkout = stage.paid_quote()
    stage.bill("400.00", reference=stage.note(checkout).number)
    match = stage.match(checkout)
    stage.house.admin.post(stage.house.url(f"credits/{match.reference}/decisions"), {"act": "apply"})
    drain_outbox()
    assert steps(checkout)["applied"].words == (
        f"A$400.00 went to the invoice, by {stage.house.user}. A$225.00 of the credit is left."
    )


def test_a_stranger_sees_no_step(stage: Stage, stranger: House) -> None:
    checkout = stage.paid_quote()
    path = f"quotes/timeline/{checkout.payment.reference}"
    assert stranger.admin.get(stage.house.url(path)).status_code == 404
    assert "No quote belongs to this payment." in stranger.admin.get(stranger.url(path)).content.decode()
