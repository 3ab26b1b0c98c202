"""The credit that applies itself: matched, applied, confirmed, dismissed, undone, and never twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.crediting import review_company, save_threshold, undo_match
from accounting.handlers import drain_postings
from accounting.models import CreditMatch, HandTask, LedgerApplication, Posting
from merchants.models import Notification
from tests.accounting.crediting_stage import Stage
from tests.accounting.invoices import only_xero
from tests.people import House, drain_outbox
from wisepay.outbox import Retry

PO = "PO-7781"


@pytest.fixture
def stage(any_house: House) -> Stage:
    """The house, its payer and its bookkeeper, over every accounting package."""
    drain_outbox()
    return Stage(any_house)


def press(stage: Stage, match: CreditMatch, act: str) -> str:
    """Press a button of Credits to apply, and let everything follow; answers the page."""
    path = stage.house.url(f"credits/{match.reference}/decisions")
    answer = stage.house.admin.post(path, {"act": act}, follow=True)
    drain_outbox()
    return answer.content.decode()


def test_the_down_payment_invoice_of_a_paid_quote_is_credited_by_itself(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference=f"Down payment, quote {checkout.quote.number}")
    match = stage.match(checkout)
    assert (match.state, match.invoice.number, match.amount) == ("applied", invoice.number, 62500)
    assert match.confidence >= 80
    assert f"The invoice names quote {checkout.quote.number}." in match.reasons
    assert stage.in_books(checkout) == [(invoice.number, "625.00")]
    assert stage.billing.standing(invoice) == ("PAID", "0.00")
    assert stage.postings(checkout) == [("allocation", "posted")]
    assert stage.note(checkout).state == "applied"
    assert match.synced_at is not None
    assert stage.billing.invoice(invoice.number).status == "paid"


def test_an_invoice_that_was_there_before_the_credit_is_found_when_the_credit_is_approved(stage: Stage) -> None:
    invoice = stage.bill(reference=PO)
    checkout = stage.paid_quote(purchase_order_number=PO)
    assert stage.match(checkout).state == "applied"
    assert stage.billing.standing(invoice) == ("PAID", "0.00")


def test_without_a_word_about_the_quote_a_person_is_asked_once_and_one_click_applies(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference="Onboarding")
    match = stage.match(checkout)
    assert (match.state, match.decided_by) == ("proposed", None)
    assert stage.postings(checkout) == []
    assert Notification.objects.filter(key=f"credit:{match.pk}").count() == 1
    page = stage.house.admin.get(stage.house.url("credits")).content.decode()
    assert f"{match.confidence} % sure" in page
    assert "Exactly A$625.00 is due." in page
    press(stage, match, "apply")
    assert stage.match(checkout).decided_by == stage.house.user
    assert stage.in_books(checkout) == [(invoice.number, "625.00")]


def test_what_was_dismissed_is_not_asked_again_until_a_person_thinks_better_of_it(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference="Onboarding")
    press(stage, stage.match(checkout), "dismiss")
    stage.by_hand("edit", invoice=invoice.number, reference=f"Quote {checkout.quote.number}")
    stage.read()
    assert stage.match(checkout).state == "dismissed"
    assert stage.in_books(checkout) == []
    press(stage, stage.match(checkout), "apply")
    assert stage.in_books(checkout) == [(invoice.number, "625.00")]


def test_an_applied_credit_is_undone_and_stays_so(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference=f"Quote {checkout.quote.number}")
    press(stage, stage.match(checkout), "undo")
    stage.read()
    assert stage.match(checkout).state == "undone"
    assert stage.in_books(checkout) == []
    assert stage.billing.standing(invoice) == ("AUTHORISED", "625.00")
    assert (stage.note(checkout).state, stage.note(checkout).remaining) == ("approved", 62500)
    assert stage.postings(checkout) == [("allocation", "posted"), ("allocation_removal", "posted")]
    press(stage, stage.match(checkout), "apply")
    assert stage.match(checkout).state == "applied"
    assert stage.in_books(checkout) == [(invoice.number, "625.00")]


def test_never_means_that_even_the_surest_waits_and_another_threshold_applies_what_waited(stage: Stage) -> None:
    save_threshold(stage.house.merchant, threshold=None, now=timezone.now())
    checkout = stage.paid_quote()
    stage.bill(reference=f"Quote {checkout.quote.number}")
    assert stage.match(checkout).state == "proposed"
    stage.house.admin.post(stage.house.url("credits/threshold"), {"threshold": "80"})
    drain_outbox()
    assert stage.match(checkout).state == "applied"


def test_two_invoices_that_could_both_be_meant_wait_for_a_person(stage: Stage) -> None:
    checkout = stage.paid_quote()
    quote = f"Quote {checkout.quote.number}"
    stage.billing.by_hand("make_invoice", contact=stage.billing.name, amount="625.00", number="INV-A", reference=quote)
    second = stage.bill(reference=quote)
    assert stage.states(checkout) == [("INV-A", "proposed"), (second.number, "proposed")]
    assert stage.postings(checkout) == []
    match = CreditMatch.objects.select_related("note__payment", "invoice", "merchant").get(invoice=second)
    press(stage, match, "apply")
    assert stage.states(checkout) == [("INV-A", "withdrawn"), (second.number, "applied")]


def test_a_credit_that_is_smaller_than_its_invoice_pays_a_part_of_it(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill("1000.00", reference=stage.note(checkout).number)
    assert stage.match(checkout).amount == 62500
    assert stage.billing.standing(invoice) == ("AUTHORISED", "375.00")


def test_a_credit_that_is_larger_keeps_its_rest_for_the_next_invoice(stage: Stage) -> None:
    checkout = stage.paid_quote()
    first = stage.bill("400.00", reference=stage.note(checkout).number)
    assert (stage.note(checkout).state, stage.note(checkout).remaining) == ("approved", 22500)
    second = stage.bill("225.00", reference=stage.note(checkout).number)
    assert stage.in_books(checkout) == [(first.number, "400.00"), (second.number, "225.00")]


@only_xero
@pytest.mark.parametrize("other", [{"currency": "USD"}, {"status": "DRAFT"}])
def test_an_invoice_that_the_credit_cannot_go_to_is_not_looked_at(stage: Stage, other: dict[str, str]) -> None:
    checkout = stage.paid_quote()
    stage.bill(reference=f"Quote {checkout.quote.number}", **other)
    assert not CreditMatch.objects.exists()


def test_an_invoice_of_somebody_else_is_not_looked_at(stage: Stage) -> None:
    checkout = stage.paid_quote()
    reference = f"Quote {checkout.quote.number}"
    stage.by_hand("make_invoice", contact="Bayside Dental", amount="625.00", number="INV-B", reference=reference)
    stage.read()
    assert not CreditMatch.objects.exists()


def test_what_a_bookkeeper_applied_by_hand_counts_and_is_not_done_again(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference="Onboarding")
    stage.by_hand("allocate", credit_note=stage.note(checkout).number, invoice=invoice.number)
    stage.read()
    match = stage.match(checkout)
    assert (match.state, match.reasons) == ("applied", ["Somebody applied it in the accounting package."])
    assert stage.postings(checkout) == []
    assert "Take it off there." in press(stage, match, "undo")


def test_a_credit_put_by_hand_to_an_invoice_that_was_not_proposed_ends_the_proposal(stage: Stage) -> None:
    save_threshold(stage.house.merchant, threshold=None, now=timezone.now())
    checkout = stage.paid_quote()
    meant = stage.bill(reference=f"Quote {checkout.quote.number}")
    other = stage.bill("980.00", reference="Hardware")
    assert stage.states(checkout) == [(meant.number, "proposed")]
    stage.by_hand("allocate", credit_note=stage.note(checkout).number, invoice=other.number)
    stage.read()
    assert stage.states(checkout) == [(meant.number, "withdrawn"), (other.number, "applied")]


def test_an_allocation_that_a_bookkeeper_takes_off_is_undone_here_too(stage: Stage) -> None:
    checkout = stage.paid_quote()
    stage.bill(reference=f"Quote {checkout.quote.number}")
    assert stage.match(checkout).synced_at
    stage.by_hand("deallocate", credit_note=stage.note(checkout).number)
    stage.read()
    assert stage.match(checkout).state == "undone"
    assert stage.in_books(checkout) == []
    assert stage.postings(checkout) == [("allocation", "posted")], "nothing is put back"


def test_what_was_undone_here_and_applied_again_by_hand_is_applied_and_the_persons_own(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference=f"Quote {checkout.quote.number}")
    press(stage, stage.match(checkout), "undo")
    stage.by_hand("allocate", credit_note=stage.note(checkout).number, invoice=invoice.number)
    stage.read()
    assert stage.match(checkout).state == "applied"
    assert 'value="undo"' not in stage.house.admin.get(stage.house.url("credits")).content.decode()
    assert "Take it off there." in press(stage, stage.match(checkout), "undo")
    assert stage.match(checkout).state == "applied"


@only_xero
def test_a_refused_allocation_asks_a_bookkeeper_and_goes_through_after_retry(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.billing.bill("625.00", reference=f"Quote {checkout.quote.number}")
    stage.by_hand("lock", date="2099-01-01")
    drain_outbox()
    assert stage.postings(checkout) == [("allocation", "rejected")]
    task = HandTask.objects.get(state="open")
    assert f"Apply credit {stage.note(checkout)} to invoice {invoice.number}" == task.title
    assert "lock" in " ".join(task.steps)
    assert "Refused" in stage.house.admin.get(stage.house.url("credits")).content.decode()
    stage.by_hand("lock", date=None)
    stage.house.admin.post(stage.house.url("postings/retry"))
    drain_outbox()
    assert stage.in_books(checkout) == [(invoice.number, "625.00")]
    assert not HandTask.objects.filter(state="open").exists()


def test_an_invoice_that_was_closed_meanwhile_is_refused_and_the_match_withdrawn(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.billing.bill("625.00", reference=f"Quote {checkout.quote.number}")
    stage.by_hand("void", invoice=invoice.number)
    drain_outbox()
    assert stage.states(checkout) == [(invoice.number, "withdrawn")]
    assert stage.postings(checkout) == [("allocation", "cancelled")]
    assert not HandTask.objects.filter(state="open").exists()
    assert stage.note(checkout).remaining == 62500


def test_a_mirror_that_has_not_read_the_undoing_yet_does_not_bring_the_match_back(stage: Stage) -> None:
    checkout = stage.paid_quote()
    stage.bill(reference=f"Quote {checkout.quote.number}")
    undo_match(stage.match(checkout), by=stage.house.user, now=timezone.now())
    drain_postings(merchant_id=stage.house.merchant.pk, now=timezone.now())
    assert LedgerApplication.objects.filter(kind="credit").exists()
    review_company(stage.billing.company, now=timezone.now())
    assert stage.match(checkout).state == "undone"
    drain_outbox()
    assert stage.match(checkout).state == "undone"


@only_xero
def test_an_allocation_whose_answer_was_lost_is_looked_for_although_the_mirror_shows_it_already(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.billing.bill("625.00", reference=f"Quote {checkout.quote.number}")
    review_company(stage.billing.company, now=timezone.now())
    with (
        stage.house.world.faulty("xero", "drop_after", path="/CreditNotes/*/Allocations", times=1),
        pytest.raises(Retry),
    ):
        drain_postings(merchant_id=stage.house.merchant.pk, now=timezone.now())
    assert stage.postings(checkout) == [("allocation", "sent")]
    stage.billing.read()
    review_company(stage.billing.company, now=timezone.now())
    assert stage.match(checkout).state == "wanted"
    drain_outbox(at=timezone.now() + timedelta(minutes=10))
    assert stage.match(checkout).state == "applied"
    assert stage.in_books(checkout) == [(invoice.number, "625.00")]
    assert (stage.calls("PUT"), stage.note(checkout).remaining) == (1, 0)


def test_reviewing_again_changes_nothing(stage: Stage) -> None:
    checkout = stage.paid_quote()
    stage.bill(reference=f"Quote {checkout.quote.number}")
    before = list(CreditMatch.objects.values())
    calls = len(stage.house.world.journal("xero"))
    for _ in range(3):
        review_company(stage.billing.company, now=timezone.now() + timedelta(minutes=1))
        drain_outbox()
    assert list(CreditMatch.objects.values()) == before
    assert len(stage.house.world.journal("xero")) == calls
    assert Posting.objects.filter(kind="allocation").count() == 1


@only_xero
def test_strangers_neither_see_nor_decide(stage: Stage, stranger: House) -> None:
    checkout = stage.paid_quote()
    stage.bill(reference="Onboarding")
    match = stage.match(checkout)
    path = f"credits/{match.reference}/decisions"
    assert stranger.admin.post(stage.house.url(path), {"act": "apply"}).status_code == 404
    assert stranger.admin.post(stranger.url(path), {"act": "apply"}).status_code == 404
    assert stage.match(checkout).state == "proposed"
