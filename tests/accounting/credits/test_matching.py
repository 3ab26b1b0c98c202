"""Credit matching: proposed, applied, approved, dismissed, reverted, and never applied twice."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.credits.matching import revert_match, save_threshold, update_company_matches
from accounting.models import CreditMatch, LedgerApplication, ManualTask, Posting
from accounting.posting.handlers import send_merchant_postings
from merchants.models import Notification
from payments.refunds import send_refund, start_refund
from tests.accounting.credits.scenario import CreditScenario
from tests.accounting.invoices.scenario import only_xero
from tests.tenants import Checkout, Tenant, deliver_outbox
from wisepay.outbox import Retry

PO = "PO-7781"


@pytest.fixture
def scenario(any_tenant: Tenant) -> CreditScenario:
    """The scenario, over every accounting package."""
    deliver_outbox()
    return CreditScenario(any_tenant)


def press_button(scenario: CreditScenario, match: CreditMatch, act: str) -> str:
    """Press a button of Credits to apply, and let everything follow; answers the page."""
    path = scenario.tenant.url(f"credits/{match.reference}/decisions")
    answer = scenario.tenant.admin.post(path, {"act": act}, follow=True)
    deliver_outbox()
    return answer.content.decode()


def test_the_down_payment_invoice_of_a_paid_quote_is_credited_by_itself(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference=f"Down payment, quote {checkout.quote.number}")
    match = scenario.get_match(checkout)
    assert (match.state, match.invoice.number, match.amount) == ("applied", invoice.number, 62500)
    assert match.confidence >= 80
    assert f"The invoice names quote {checkout.quote.number}." in match.reasons
    assert scenario.list_ledger_allocations(checkout) == [(invoice.number, "625.00")]
    assert scenario.billing.get_ledger_status(invoice) == ("PAID", "0.00")
    assert scenario.list_postings(checkout) == [("allocation", "posted")]
    assert scenario.get_note(checkout).state == "applied"
    assert match.synced_at is not None
    assert scenario.billing.get_invoice(invoice.number).status == "paid"


def test_an_invoice_that_was_there_before_the_credit_is_found_when_the_credit_is_approved(
    scenario: CreditScenario,
) -> None:
    invoice = scenario.create_invoice(reference=PO)
    checkout = scenario.pay_quote(purchase_order_number=PO)
    assert scenario.get_match(checkout).state == "applied"
    assert scenario.billing.get_ledger_status(invoice) == ("PAID", "0.00")


def test_without_a_word_about_the_quote_a_person_is_asked_once_and_one_click_applies(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference="Onboarding")
    match = scenario.get_match(checkout)
    assert (match.state, match.decided_by) == ("proposed", None)
    assert scenario.list_postings(checkout) == []
    assert Notification.objects.filter(key=f"credit:{match.pk}").count() == 1
    page = scenario.tenant.admin.get(scenario.tenant.url("credits")).content.decode()
    assert f"{match.confidence} % sure" in page
    assert "Exactly A$625.00 is due." in page
    press_button(scenario, match, "apply")
    assert scenario.get_match(checkout).decided_by == scenario.tenant.user
    assert scenario.list_ledger_allocations(checkout) == [(invoice.number, "625.00")]


def test_what_was_dismissed_is_not_asked_again_until_a_person_thinks_better_of_it(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference="Onboarding")
    press_button(scenario, scenario.get_match(checkout), "dismiss")
    scenario.act_in_ledger("edit", invoice=invoice.number, reference=f"Quote {checkout.quote.number}")
    scenario.sync_mirror()
    assert scenario.get_match(checkout).state == "dismissed"
    assert scenario.list_ledger_allocations(checkout) == []
    press_button(scenario, scenario.get_match(checkout), "apply")
    assert scenario.list_ledger_allocations(checkout) == [(invoice.number, "625.00")]


def list_headings(scenario: CreditScenario, checkout: Checkout) -> list[str]:
    """The headings of Credits to apply that a payment's credit stands under."""
    page = scenario.tenant.admin.get(scenario.tenant.url("credits")).content.decode()
    sections = re.findall(r"<section class=\"card[^>]*>(.*?)</section>", page, re.DOTALL)
    headings = [
        re.search(r"<h2[^>]*>([^<]*)", section) for section in sections if checkout.payment.reference in section
    ]
    return [found.group(1) for found in headings if found]


def test_a_credit_stands_under_one_heading(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    assert list_headings(scenario, checkout) == ["No invoice yet"]
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    assert list_headings(scenario, checkout) == ["Applied lately"]
    press_button(scenario, scenario.get_match(checkout), "undo")
    assert list_headings(scenario, checkout) == ["Dismissed or undone"]


def test_a_reverted_match_stays_reverted(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    press_button(scenario, scenario.get_match(checkout), "undo")
    scenario.sync_mirror()
    assert scenario.get_match(checkout).state == "undone"
    assert scenario.list_ledger_allocations(checkout) == []
    assert scenario.billing.get_ledger_status(invoice) == ("AUTHORISED", "625.00")
    assert (scenario.get_note(checkout).state, scenario.get_note(checkout).remaining) == ("approved", 62500)
    assert scenario.list_postings(checkout) == [("allocation", "posted"), ("allocation_removal", "posted")]
    press_button(scenario, scenario.get_match(checkout), "apply")
    assert scenario.get_match(checkout).state == "applied"
    assert scenario.list_ledger_allocations(checkout) == [(invoice.number, "625.00")]


def test_never_means_that_even_the_surest_waits_and_another_threshold_applies_what_waited(
    scenario: CreditScenario,
) -> None:
    save_threshold(scenario.tenant.merchant, threshold=None, now=timezone.now())
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    assert scenario.get_match(checkout).state == "proposed"
    scenario.tenant.admin.post(scenario.tenant.url("credits/threshold"), {"threshold": "80"})
    deliver_outbox()
    assert scenario.get_match(checkout).state == "applied"


def test_two_invoices_that_could_both_be_meant_wait_for_a_person(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    quote = f"Quote {checkout.quote.number}"
    scenario.billing.act_in_ledger(
        "make_invoice", contact=scenario.billing.name, amount="625.00", number="INV-A", reference=quote
    )
    second = scenario.create_invoice(reference=quote)
    assert scenario.list_match_states(checkout) == [("INV-A", "proposed"), (second.number, "proposed")]
    assert scenario.list_postings(checkout) == []
    match = CreditMatch.objects.select_related("note__payment", "invoice", "merchant").get(invoice=second)
    press_button(scenario, match, "apply")
    assert scenario.list_match_states(checkout) == [("INV-A", "withdrawn"), (second.number, "applied")]


def test_a_credit_that_is_smaller_than_its_invoice_pays_a_part_of_it(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice("1000.00", reference=scenario.get_note(checkout).number)
    assert scenario.get_match(checkout).amount == 62500
    assert scenario.billing.get_ledger_status(invoice) == ("AUTHORISED", "375.00")


def test_a_credit_that_is_larger_keeps_its_rest_for_the_next_invoice(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    first = scenario.create_invoice("400.00", reference=scenario.get_note(checkout).number)
    assert (scenario.get_note(checkout).state, scenario.get_note(checkout).remaining) == ("approved", 22500)
    second = scenario.create_invoice("225.00", reference=scenario.get_note(checkout).number)
    assert scenario.list_ledger_allocations(checkout) == [(first.number, "400.00"), (second.number, "225.00")]


@only_xero
@pytest.mark.parametrize("other", [{"currency": "USD"}, {"status": "DRAFT"}])
def test_an_invoice_that_the_credit_cannot_go_to_is_not_looked_at(
    scenario: CreditScenario, other: dict[str, str]
) -> None:
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}", **other)
    assert not CreditMatch.objects.exists()


def test_an_invoice_of_somebody_else_is_not_looked_at(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    reference = f"Quote {checkout.quote.number}"
    scenario.act_in_ledger(
        "make_invoice", contact="Bayside Dental", amount="625.00", number="INV-B", reference=reference
    )
    scenario.sync_mirror()
    assert not CreditMatch.objects.exists()


def test_what_a_bookkeeper_applied_by_hand_counts_and_is_not_done_again(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference="Onboarding")
    scenario.act_in_ledger("allocate", credit_note=scenario.get_note(checkout).number, invoice=invoice.number)
    scenario.sync_mirror()
    match = scenario.get_match(checkout)
    assert (match.state, match.reasons) == ("applied", ["Somebody applied it in the accounting package."])
    assert scenario.list_postings(checkout) == []
    assert "Take it off there." in press_button(scenario, match, "undo")


def test_a_credit_put_by_hand_to_an_invoice_that_was_not_proposed_ends_the_proposal(scenario: CreditScenario) -> None:
    save_threshold(scenario.tenant.merchant, threshold=None, now=timezone.now())
    checkout = scenario.pay_quote()
    meant = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    other = scenario.create_invoice("980.00", reference="Hardware")
    assert scenario.list_match_states(checkout) == [(meant.number, "proposed")]
    scenario.act_in_ledger("allocate", credit_note=scenario.get_note(checkout).number, invoice=other.number)
    scenario.sync_mirror()
    assert scenario.list_match_states(checkout) == [(meant.number, "withdrawn"), (other.number, "applied")]


def test_an_allocation_that_a_bookkeeper_removes_is_reverted_here_too(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    assert scenario.get_match(checkout).synced_at
    scenario.act_in_ledger("deallocate", credit_note=scenario.get_note(checkout).number)
    scenario.sync_mirror()
    assert scenario.get_match(checkout).state == "undone"
    assert scenario.list_ledger_allocations(checkout) == []
    assert scenario.list_postings(checkout) == [("allocation", "posted")], "nothing is put back"


def test_a_reverted_match_that_a_person_applies_again_is_applied_and_not_ours(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    press_button(scenario, scenario.get_match(checkout), "undo")
    scenario.act_in_ledger("allocate", credit_note=scenario.get_note(checkout).number, invoice=invoice.number)
    scenario.sync_mirror()
    assert scenario.get_match(checkout).state == "applied"
    assert 'value="undo"' not in scenario.tenant.admin.get(scenario.tenant.url("credits")).content.decode()
    assert "Take it off there." in press_button(scenario, scenario.get_match(checkout), "undo")
    assert scenario.get_match(checkout).state == "applied"


@only_xero
def test_a_refused_allocation_asks_a_bookkeeper_and_goes_through_after_retry(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.billing.create_invoice("625.00", reference=f"Quote {checkout.quote.number}")
    scenario.act_in_ledger("lock", date="2099-01-01")
    deliver_outbox()
    assert scenario.list_postings(checkout) == [("allocation", "rejected")]
    task = ManualTask.objects.get(state="open")
    assert f"Apply credit {scenario.get_note(checkout)} to invoice {invoice.number}" == task.title
    assert "lock" in " ".join(task.steps)
    assert "Refused" in scenario.tenant.admin.get(scenario.tenant.url("credits")).content.decode()
    scenario.act_in_ledger("lock", date=None)
    scenario.tenant.admin.post(scenario.tenant.url("postings/retry"))
    deliver_outbox()
    assert scenario.list_ledger_allocations(checkout) == [(invoice.number, "625.00")]
    assert not ManualTask.objects.filter(state="open").exists()


def test_an_invoice_that_was_closed_meanwhile_is_refused_and_the_match_withdrawn(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.billing.create_invoice("625.00", reference=f"Quote {checkout.quote.number}")
    scenario.act_in_ledger("void", invoice=invoice.number)
    deliver_outbox()
    assert scenario.list_match_states(checkout) == [(invoice.number, "withdrawn")]
    assert scenario.list_postings(checkout) == [("allocation", "cancelled")]
    assert not ManualTask.objects.filter(state="open").exists()
    assert scenario.get_note(checkout).remaining == 62500


def test_a_mirror_that_has_not_read_the_undoing_yet_does_not_bring_the_match_back(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    revert_match(scenario.get_match(checkout), by=scenario.tenant.user, now=timezone.now())
    send_merchant_postings(merchant_id=scenario.tenant.merchant.pk, now=timezone.now())
    assert LedgerApplication.objects.filter(kind="credit").exists()
    update_company_matches(scenario.billing.company, now=timezone.now())
    assert scenario.get_match(checkout).state == "undone"
    deliver_outbox()
    assert scenario.get_match(checkout).state == "undone"


@only_xero
def test_an_allocation_whose_answer_was_lost_is_looked_for_although_the_mirror_shows_it_already(
    scenario: CreditScenario,
) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.billing.create_invoice("625.00", reference=f"Quote {checkout.quote.number}")
    update_company_matches(scenario.billing.company, now=timezone.now())
    with (
        scenario.tenant.world.inject_fault("xero", "drop_after", path="/CreditNotes/*/Allocations", times=1),
        pytest.raises(Retry),
    ):
        send_merchant_postings(merchant_id=scenario.tenant.merchant.pk, now=timezone.now())
    assert scenario.list_postings(checkout) == [("allocation", "sent")]
    scenario.billing.sync_mirror()
    update_company_matches(scenario.billing.company, now=timezone.now())
    assert scenario.get_match(checkout).state == "wanted"
    deliver_outbox(at=timezone.now() + timedelta(minutes=10))
    assert scenario.get_match(checkout).state == "applied"
    assert scenario.list_ledger_allocations(checkout) == [(invoice.number, "625.00")]
    assert (scenario.count_calls("PUT"), scenario.get_note(checkout).remaining) == (1, 0)


def test_reviewing_again_changes_nothing(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    before = list(CreditMatch.objects.values())
    calls = len(scenario.tenant.world.journal("xero"))
    for _ in range(3):
        update_company_matches(scenario.billing.company, now=timezone.now() + timedelta(minutes=1))
        deliver_outbox()
    assert list(CreditMatch.objects.values()) == before
    assert len(scenario.tenant.world.journal("xero")) == calls
    assert Posting.objects.filter(kind="allocation").count() == 1


@only_xero
def test_strangers_neither_see_nor_decide(scenario: CreditScenario, stranger: Tenant) -> None:
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference="Onboarding")
    match = scenario.get_match(checkout)
    path = f"credits/{match.reference}/decisions"
    assert stranger.admin.post(scenario.tenant.url(path), {"act": "apply"}).status_code == 404
    assert stranger.admin.post(stranger.url(path), {"act": "apply"}).status_code == 404
    assert scenario.get_match(checkout).state == "proposed"


# ---- tasks that an Undo here settles --------------------------------------------------------------------


def test_a_task_about_a_refund_of_an_applied_credit_names_undo_first_and_undo_settles_it(
    scenario: CreditScenario,
) -> None:
    """docs.stripe.com/refunds: money goes back at any time, also when its credit is used up."""
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    assert scenario.get_match(checkout).state == "applied"
    now = timezone.now()
    send_refund(start_refund(checkout.payment, amount=10_000, reason="", by=scenario.tenant.user, now=now), now=now)
    deliver_outbox()
    task = ManualTask.objects.get(state="open")
    assert task.steps[0].startswith("The short way: under Credits to apply press Undo")
    press_button(scenario, scenario.get_match(checkout), "undo")
    deliver_outbox(at=timezone.now() + timedelta(minutes=20))
    task.refresh_from_db()
    assert (task.state, task.done_by) == ("done", None)
    assert set(Posting.objects.filter(payment=checkout.payment).values_list("state", flat=True)) == {"posted"}


def test_a_task_about_a_credit_that_a_bookkeeper_applied_names_no_undo(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice("625.00", reference="something else")
    note = scenario.get_note(checkout)
    scenario.act_in_ledger("allocate", credit_note=note.number, invoice=invoice.number, amount="600.00")
    scenario.sync_mirror()
    now = timezone.now()
    send_refund(start_refund(checkout.payment, amount=10_000, reason="", by=scenario.tenant.user, now=now), now=now)
    deliver_outbox()
    assert "short way" not in " ".join(ManualTask.objects.get(state="open").steps)
