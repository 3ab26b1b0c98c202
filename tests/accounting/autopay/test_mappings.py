"""Auto-Pay mappings: who may make and end which, the proof that is kept, and what a quote proposes."""

from typing import Any

import pytest
from django.test import Client

from accounting.autopay.mappings import map_from_payment
from accounting.models import AutoPayMapping, AutoPaySettings
from merchants.models import Notification, Terms
from merchants.terms import current_terms
from payers.models import TermsAcceptance
from tests.accounting.autopay.stage import PAYER, Stage
from tests.payments.portal_stage import OWN, company
from tests.payments.shopper import RECURRING, Shopper
from tests.people import House, drain_outbox


def accepted(stage: Stage) -> int:
    """The text under the tick."""
    return current_terms(stage.house.merchant, Terms.Kind.AUTOMATIC_PAYMENTS).pk


def by_merchant(stage: Stage, **form: Any) -> Any:
    """The merchant posts the form of the company's Auto-Pay tab."""
    usual = {"terms": ["all"], "accepted_terms": accepted(stage)}
    return stage.house.admin.post(stage.house.url(f"payers/companies/{stage.company.reference}/autopay"), usual | form)


def by_payer(stage: Stage, client: Client, **form: Any) -> Any:
    """The payer posts theirs."""
    usual = {"company": stage.company.reference, "terms": ["all"], "accepted_terms": accepted(stage)}
    return client.post("/my/autopay", usual | form)


def active() -> list[tuple[str, str | None]]:
    """Who made the active mappings, for which terms."""
    rows = AutoPayMapping.objects.filter(state="active").order_by("pk")
    return [(row.origin, row.term.name if row.term else None) for row in rows]


def test_a_merchant_maps_several_terms_and_keeps_the_proof(stage: Stage) -> None:
    card, other = stage.card(), stage.card("5555555555554444")
    second = stage.add_term("Real time")
    form = {"terms": [stage.term.reference, second.reference], "primary": card.pk, "secondary": other.pk}
    assert by_merchant(stage, **form).status_code == 302
    assert active() == [("merchant", "Net 7"), ("merchant", "Real time")]
    mapping = AutoPayMapping.objects.first()
    assert mapping is not None
    assert (mapping.primary_method_id, mapping.secondary_method_id) == (card.pk, other.pk)
    assert mapping.acceptance is not None
    assert mapping.acceptance.terms.kind == Terms.Kind.AUTOMATIC_PAYMENTS
    assert by_merchant(stage, **form).status_code == 302
    assert active() == [("merchant", "Net 7"), ("merchant", "Real time")], "the same again takes their place"


@pytest.mark.parametrize("missing", ["accepted_terms", "primary", "terms"])
def test_a_form_that_is_not_filled_in_is_refused(stage: Stage, missing: str) -> None:
    form = {"primary": stage.card().pk} | {missing: ""}
    assert by_merchant(stage, **form).status_code == 422
    assert active() == []


def test_a_method_of_another_company_or_the_same_twice_is_refused(stage: Stage) -> None:
    card = stage.card()
    foreign = stage.map(card, company=company(stage.house, "Another"))
    foreign.move_to  # noqa: B018 (only its company matters)
    assert by_merchant(stage, primary=card.pk, secondary=card.pk).status_code == 422
    type(card).objects.filter(pk=card.pk).update(company=foreign.company)
    assert by_merchant(stage, primary=card.pk).status_code == 422


def test_payers_choose_all_terms_only_and_delete_only_what_they_made(stage: Stage) -> None:
    card, payer = stage.card(), stage.house.payer(PAYER)
    assert "Pay the invoices of" in payer.get("/my/autopay").content.decode()
    assert by_payer(stage, payer, primary=card.pk, terms=[stage.term.reference]).status_code == 422
    assert by_payer(stage, payer, primary=card.pk).status_code == 302
    assert active() == [("payer", None)]
    acceptance = TermsAcceptance.objects.latest("pk")
    assert (acceptance.email, acceptance.terms.kind) == (PAYER, Terms.Kind.AUTOMATIC_PAYMENTS)
    mine = AutoPayMapping.objects.get(state="active")
    assert payer.post(f"/my/autopay/{mine.reference}/remove").status_code == 302
    assert active() == []
    assert by_merchant(stage, primary=card.pk).status_code == 302
    theirs = AutoPayMapping.objects.get(state="active")
    payer.post(f"/my/autopay/{theirs.reference}/remove")
    assert "Pay the invoices of" not in payer.get("/my/autopay").content.decode()
    assert "for you already" in by_payer(stage, payer, primary=card.pk).content.decode()
    assert active() == [("merchant", None)]


def test_a_merchants_mapping_for_all_takes_the_place_of_the_payers(stage: Stage) -> None:
    card, payer = stage.card(), stage.house.payer(PAYER)
    by_payer(stage, payer, primary=card.pk)
    by_merchant(stage, primary=card.pk)
    assert active() == [("merchant", None)]


def test_strangers_and_those_who_see_only_their_own_payments_map_nothing(stage: Stage, stranger: House) -> None:
    card = stage.card()
    clerk = stage.house.payer("clerk@harbourdental.example", scope=OWN)
    assert by_payer(stage, clerk, primary=card.pk).status_code == 404
    elsewhere = stranger.payer("pay@other-it.example", company="Their Company")
    assert by_payer(stage, elsewhere, primary=card.pk).status_code == 404
    form = {"terms": ["all"], "primary": card.pk, "accepted_terms": accepted(stage)}
    path = f"payers/companies/{stage.company.reference}/autopay"
    assert stranger.admin.post(stranger.url(path), form).status_code == 404
    assert active() == []


def paid_recurring(stage: Stage) -> Any:
    """A quote that recurs is paid, and its card saved."""
    checkout = stage.house.open_checkout(**RECURRING)
    shopper = Shopper(stage.house)
    shopper.enter(checkout.payment)
    assert shopper.pay_and_save(checkout).status_code == 200
    drain_outbox()
    return checkout.payment


def test_a_quote_that_recurs_proposes_a_mapping_that_one_click_accepts(stage: Stage) -> None:
    payment = paid_recurring(stage)
    for _ in range(2):
        map_from_payment(payment, now=payment.paid_at)
    proposal = AutoPayMapping.objects.get()
    assert (proposal.state, proposal.origin, proposal.quote_payment_id) == ("proposed", "quote", payment.pk)
    assert proposal.primary_method_id == payment.saved_method_id
    assert proposal.acceptance is not None
    assert Notification.objects.filter(event="autopay_proposed").count() == 1
    invoice = stage.invoice()
    assert stage.plan().created == 0
    page = stage.house.admin.get(stage.house.url("automatic-payments/proposals")).content.decode()
    assert "Harbour Dental" in page
    accept = stage.house.url(f"automatic-payments/proposals/{proposal.reference}/accept")
    assert stage.house.admin.post(accept).status_code == 302
    drain_outbox()
    assert stage.scheduled(invoice).method_id == payment.saved_method_id


@pytest.mark.parametrize(("wish", "state"), [("make", "active"), ("never", None)])
def test_the_setting_decides_whether_a_quote_makes_or_leaves_it(stage: Stage, wish: str, state: str | None) -> None:
    AutoPaySettings.objects.update(from_quotes=wish)
    paid_recurring(stage)
    assert list(AutoPayMapping.objects.values_list("state", flat=True)) == ([state] if state else [])


def test_a_quote_makes_no_second_mapping_for_all_but_proposes_it(stage: Stage) -> None:
    AutoPaySettings.objects.update(from_quotes="make")
    stage.map(stage.card())
    paid_recurring(stage)
    assert sorted(AutoPayMapping.objects.values_list("origin", "state")) == [
        ("merchant", "active"),
        ("quote", "proposed"),
    ]


def test_a_quote_without_a_recurring_part_proposes_nothing(stage: Stage) -> None:
    assert stage.house.open_checkout().pay().status_code == 200
    drain_outbox()
    assert not AutoPayMapping.objects.exists()
