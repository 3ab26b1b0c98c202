"""Auto-Pay mappings: who may create and end which, the accepted terms, and what a quote proposes."""

import re
from typing import Any

import pytest
from django.test import Client

from accounting.autopay.mappings import create_mapping_from_payment
from accounting.models import AutoPayMapping, AutoPaySettings
from merchants.models import Notification, Terms
from merchants.terms.services import get_current_terms
from payers.models import TermsAcceptance
from payments.models import SavedMethod
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.payments.portal.factories import OWN_PAYMENTS, create_company
from tests.payments.signed_in_payer import RECURRING, SignedInPayer
from tests.quotes.api_helpers import create_mismatch
from tests.tenants import Tenant, deliver_outbox


def get_accepted_terms_id(autopay: AutoPayBuilder) -> int:
    """The id of the terms that are accepted with a mapping."""
    return get_current_terms(autopay.tenant.merchant, Terms.Kind.AUTOMATIC_PAYMENTS).pk


def post_as_merchant(autopay: AutoPayBuilder, **form: Any) -> Any:
    """Post the form of the company's Auto-Pay tab as the merchant."""
    usual = {"terms": ["all"], "accepted_terms": get_accepted_terms_id(autopay)}
    return autopay.tenant.admin.post(
        autopay.tenant.url(f"payers/companies/{autopay.company.reference}/autopay"), usual | form
    )


def post_as_payer(autopay: AutoPayBuilder, client: Client, **form: Any) -> Any:
    """Post the form of the Auto-Pay page as the payer."""
    usual = {"company": autopay.company.reference, "terms": ["all"], "accepted_terms": get_accepted_terms_id(autopay)}
    return client.post("/my/autopay", usual | form)


def list_active_mappings() -> list[tuple[str, str | None]]:
    """The origins of the active mappings, and their terms."""
    rows = AutoPayMapping.objects.filter(state="active").order_by("pk")
    return [(row.origin, row.term.name if row.term else None) for row in rows]


def accept_as_payer(autopay: AutoPayBuilder, client: Client, **form: Any) -> None:
    """Accept everything that is proposed, in the payer's name."""
    for mapping in AutoPayMapping.objects.filter(state="proposed", asks_payer=True).order_by("pk"):
        fields = {"answer": "accept", "accepted_terms": get_accepted_terms_id(autopay)} | form
        client.post(f"/my/autopay/{mapping.reference}/answer", fields)


def test_a_merchant_proposes_and_the_payer_accepts_in_their_own_name(autopay: AutoPayBuilder) -> None:
    card, other = autopay.save_card(), autopay.save_card("5555555555554444")
    second, payer = autopay.add_term("Real time"), autopay.tenant.payer(PAYER)
    form = {"terms": [autopay.term.reference, second.reference], "primary": card.pk, "secondary": other.pk}
    for _ in range(2):
        assert post_as_merchant(autopay, **form).status_code == 302
        assert AutoPayMapping.objects.filter(state="proposed").count() == 2, "the same again takes their place"
    assert (list_active_mappings(), TermsAcceptance.objects.filter(terms__kind="automatic_payments").count()) == ([], 0)
    deliver_outbox()
    mails = [mail for mail in autopay.tenant.mails(PAYER) if "proposes automatic payments" in mail["subject"]]
    assert len(mails) == 1, "what was replaced before it was mailed is not told"
    assert "under Net 7 and Real time" in mails[0]["text"]
    accept_as_payer(autopay, payer, accepted_terms="0")
    assert list_active_mappings() == []
    accept_as_payer(autopay, payer)
    assert list_active_mappings() == [("merchant", "Net 7"), ("merchant", "Real time")]
    for mapping in AutoPayMapping.objects.filter(state="active"):
        assert (mapping.primary_method_id, mapping.secondary_method_id) == (card.pk, other.pk)
        assert mapping.acceptance is not None
        assert mapping.acceptance.user is not None
        assert (mapping.acceptance.user.email, mapping.acceptance.terms.kind) == (PAYER, "automatic_payments")


def test_nobodys_own_method_is_proposed_or_accepted(autopay: AutoPayBuilder) -> None:
    card, shared, payer = autopay.save_card(), autopay.save_card("5555555555554444"), autopay.tenant.payer(PAYER)
    SavedMethod.objects.filter(pk=card.pk).update(is_shared=False, owner=autopay.tenant.access("own@example.com").user)
    page = autopay.tenant.admin.get(autopay.tenant.url(f"payers/companies/{autopay.company.reference}/autopay"))
    assert str(card) not in page.content.decode()
    assert post_as_merchant(autopay, primary=card.pk).status_code == 422
    assert post_as_payer(autopay, payer, primary=card.pk).status_code == 422
    post_as_merchant(autopay, primary=shared.pk)
    SavedMethod.objects.filter(pk=shared.pk).update(
        is_shared=False, owner=autopay.tenant.access("own@example.com").user
    )
    accept_as_payer(autopay, payer)
    assert list_active_mappings() == []


def test_a_payer_declines_and_a_stranger_answers_nothing(autopay: AutoPayBuilder, stranger: Tenant) -> None:
    payer = autopay.tenant.payer(PAYER)
    post_as_merchant(autopay, primary=autopay.save_card().pk)
    mapping = AutoPayMapping.objects.get()
    others = (
        autopay.tenant.admin,
        stranger.payer("pay@other-it.example", company="Their Company"),
        autopay.tenant.payer("clerk@harbourdental.example", scope=OWN_PAYMENTS),
    )
    for client in others:
        fields = {"answer": "accept", "accepted_terms": get_accepted_terms_id(autopay)}
        assert client.post(f"/my/autopay/{mapping.reference}/answer", fields).status_code == 404
    payer.post(f"/my/autopay/{mapping.reference}/answer", {"answer": "decline"})
    mapping.refresh_from_db()
    assert (mapping.state, list_active_mappings()) == ("ended", [])
    assert Notification.objects.filter(title__contains="declined automatic payments").exists()


# How a mapping comes to be, and the kinds of terms that it rests on, by the method that it charges.
MAPPING_TERMS = {"card": {"automatic_payments"}, "bank": {"automatic_payments", "direct_debit"}}


@pytest.mark.parametrize("is_proposed", [True, False], ids=["proposed", "by the payer"])
@pytest.mark.parametrize("kind", MAPPING_TERMS)
def test_a_mapping_records_exactly_what_its_page_shows(autopay: AutoPayBuilder, kind: str, is_proposed: bool) -> None:
    method, payer = autopay.save_card() if kind == "card" else autopay.save_bank_account(), autopay.tenant.payer(PAYER)
    if is_proposed:
        post_as_merchant(autopay, primary=method.pk)
    page = payer.get("/my/autopay").content.decode().replace("&#x27;", "'")
    needed = [get_current_terms(autopay.tenant.merchant, one).pk for one in MAPPING_TERMS[kind]]
    assert {int(pk) for pk in re.findall(r'name="accepted_terms" value="(\d+)"', page)} == set(needed)
    path, answer = "/my/autopay", {"company": autopay.company.reference, "terms": "all", "primary": method.pk}
    if is_proposed:
        path, answer = f"/my/autopay/{AutoPayMapping.objects.get().reference}/answer", {"answer": "accept"}
    for wrong in ([], needed[1:], [*needed, 0]):
        assert payer.post(path, answer | {"accepted_terms": wrong}).status_code == 422
    assert list_active_mappings() == []
    assert payer.post(path, answer | {"accepted_terms": needed}).status_code == 302
    mapping = AutoPayMapping.objects.get(state="active")
    assert mapping.acceptance is not None
    rows = list(TermsAcceptance.objects.filter(operation=mapping.acceptance.operation).select_related("terms"))
    assert {row.terms.kind for row in rows} == MAPPING_TERMS[kind]
    for row in rows:
        assert (row.acts, row.last4, row.method_kind) == ("map schedule", method.last4, method.kind)
        assert [line for line in row.shown.splitlines() if line not in page] == []
    deliver_outbox()
    copies = [mail for mail in autopay.tenant.mails(PAYER) if "to debit your bank account" in mail["subject"]]
    assert sum(method.last4 in mail["text"] and "Recurring" in mail["text"] for mail in copies) == (kind == "bank")


@pytest.mark.parametrize("answer", [None, "", "maybe", "ACCEPT", "decline\0", "1"])
def test_an_answer_that_is_none_changes_nothing_and_says_so(autopay: AutoPayBuilder, answer: str | None) -> None:
    payer = autopay.tenant.payer(PAYER)
    post_as_merchant(autopay, primary=autopay.save_card().pk)
    mapping = AutoPayMapping.objects.get()
    form: dict[str, Any] = {"accepted_terms": get_accepted_terms_id(autopay)} | ({"answer": answer} if answer else {})
    said = payer.post(f"/my/autopay/{mapping.reference}/answer", form)
    assert (said.status_code, "Choose Accept or Decline." in said.content.decode()) == (422, True)
    mapping.refresh_from_db()
    assert (mapping.state, mapping.asks_payer) == ("proposed", True)
    payer.post(f"/my/autopay/{mapping.reference}/answer", form | {"answer": "decline"})
    again = payer.post(f"/my/autopay/{mapping.reference}/answer", form | {"answer": "accept"})
    assert again.status_code in (404, 422)
    assert list_active_mappings() == []


@pytest.mark.parametrize("missing", ["primary", "terms"])
def test_a_form_that_is_not_filled_in_is_refused(autopay: AutoPayBuilder, missing: str) -> None:
    form = {"primary": autopay.save_card().pk} | {missing: ""}
    assert post_as_merchant(autopay, **form).status_code == 422
    assert AutoPayMapping.objects.count() == 0


def test_a_method_of_another_company_or_the_same_twice_is_refused(autopay: AutoPayBuilder) -> None:
    card = autopay.save_card()
    foreign = autopay.create_mapping(card, company=create_company(autopay.tenant, "Another"))
    foreign.move_to  # noqa: B018 (only its company matters)
    assert post_as_merchant(autopay, primary=card.pk, secondary=card.pk).status_code == 422
    type(card).objects.filter(pk=card.pk).update(company=foreign.company)
    assert post_as_merchant(autopay, primary=card.pk).status_code == 422


def test_payers_choose_all_terms_only_and_delete_only_what_they_created(autopay: AutoPayBuilder) -> None:
    card, payer = autopay.save_card(), autopay.tenant.payer(PAYER)
    assert "Pay the invoices of" in payer.get("/my/autopay").content.decode()
    assert post_as_payer(autopay, payer, primary=card.pk, terms=[autopay.term.reference]).status_code == 422
    assert post_as_payer(autopay, payer, primary=card.pk).status_code == 302
    assert list_active_mappings() == [("payer", None)]
    acceptance = TermsAcceptance.objects.latest("pk")
    assert (acceptance.email, acceptance.terms.kind) == (PAYER, Terms.Kind.AUTOMATIC_PAYMENTS)
    mapping = AutoPayMapping.objects.get(state="active")
    assert payer.post(f"/my/autopay/{mapping.reference}/remove").status_code == 302
    assert list_active_mappings() == []
    assert post_as_merchant(autopay, primary=card.pk).status_code == 302
    accept_as_payer(autopay, payer)
    mapping = AutoPayMapping.objects.get(state="active")
    payer.post(f"/my/autopay/{mapping.reference}/remove")
    assert "Pay the invoices of" not in payer.get("/my/autopay").content.decode()
    assert "for you already" in post_as_payer(autopay, payer, primary=card.pk).content.decode()
    assert list_active_mappings() == [("merchant", None)]


def test_ending_asks_first_and_says_what_is_cancelled(autopay: AutoPayBuilder) -> None:
    payer = autopay.tenant.payer(PAYER)
    post_as_payer(autopay, payer, primary=autopay.save_card().pk)
    for _ in range(12):
        autopay.create_invoice()
    autopay.plan()
    mapping = AutoPayMapping.objects.get()
    own = payer.get("/my/autopay").content.decode()
    theirs = autopay.tenant.admin.get(
        autopay.tenant.url(f"payers/companies/{autopay.company.reference}/autopay")
    ).content.decode()
    for page in (own, theirs):
        question = page.partition(f'id="end-{mapping.reference}"')[2].partition("</form>")[0]
        assert "End these automatic payments?" in question
        assert question.count("is not charged on") == 10
        assert "2 more are cancelled." in question
        assert question.index("is not charged on") < question.index("End them")


def test_a_merchants_mapping_for_all_takes_the_place_of_the_payers(autopay: AutoPayBuilder) -> None:
    card, payer = autopay.save_card(), autopay.tenant.payer(PAYER)
    post_as_payer(autopay, payer, primary=card.pk)
    post_as_merchant(autopay, primary=card.pk)
    assert list_active_mappings() == [("payer", None)]
    accept_as_payer(autopay, payer)
    assert list_active_mappings() == [("merchant", None)]


def test_strangers_and_those_who_see_only_their_own_payments_map_nothing(
    autopay: AutoPayBuilder, stranger: Tenant
) -> None:
    card = autopay.save_card()
    clerk = autopay.tenant.payer("clerk@harbourdental.example", scope=OWN_PAYMENTS)
    assert post_as_payer(autopay, clerk, primary=card.pk).status_code == 404
    elsewhere = stranger.payer("pay@other-it.example", company="Their Company")
    assert post_as_payer(autopay, elsewhere, primary=card.pk).status_code == 404
    form = {"terms": ["all"], "primary": card.pk, "accepted_terms": get_accepted_terms_id(autopay)}
    path = f"payers/companies/{autopay.company.reference}/autopay"
    assert stranger.admin.post(stranger.url(path), form).status_code == 404
    assert list_active_mappings() == []


def pay_recurring_quote(autopay: AutoPayBuilder) -> Any:
    """Pay a quote that recurs, and save the card."""
    checkout = autopay.tenant.open_checkout(**RECURRING)
    payer = SignedInPayer(autopay.tenant)
    payer.grant_access(checkout.payment)
    assert payer.pay_and_save(checkout).status_code == 200
    deliver_outbox()
    return checkout.payment


def test_a_quote_that_recurs_proposes_a_mapping_that_one_click_accepts(autopay: AutoPayBuilder) -> None:
    payment = pay_recurring_quote(autopay)
    for _ in range(2):
        create_mapping_from_payment(payment, now=payment.paid_at)
    proposal = AutoPayMapping.objects.get()
    assert (proposal.state, proposal.origin, proposal.quote_payment_id) == ("proposed", "quote", payment.pk)
    assert proposal.primary_method_id == payment.saved_method_id
    assert proposal.acceptance is not None
    assert Notification.objects.filter(event="autopay_proposed").count() == 1
    invoice = autopay.create_invoice()
    assert autopay.plan().created == 0
    page = autopay.tenant.admin.get(autopay.tenant.url("automatic-payments/proposals")).content.decode()
    assert "Harbour Dental" in page
    accept = autopay.tenant.url(f"automatic-payments/proposals/{proposal.reference}/accept")
    shown = autopay.tenant.admin.post(accept)
    assert shown.status_code == 200
    assert invoice.number in shown.content.decode()
    assert AutoPayMapping.objects.get().state == "proposed"
    assert autopay.tenant.admin.post(accept, {"confirmed": "on", "includes_older": "on"}).status_code == 302
    deliver_outbox()
    assert autopay.get_scheduled(invoice).method_id == payment.saved_method_id


@pytest.mark.parametrize(("setting", "state"), [("make", "active"), ("never", None)])
def test_the_setting_decides_whether_a_quote_creates_a_mapping(
    autopay: AutoPayBuilder, setting: str, state: str | None
) -> None:
    AutoPaySettings.objects.update(from_quotes=setting)
    pay_recurring_quote(autopay)
    assert list(AutoPayMapping.objects.values_list("state", flat=True)) == ([state] if state else [])


def test_a_quote_that_may_be_somebody_elses_creates_no_mapping_but_proposes_it(autopay: AutoPayBuilder) -> None:
    AutoPaySettings.objects.update(from_quotes="make")
    create_mismatch(autopay.company)
    pay_recurring_quote(autopay)
    assert list(AutoPayMapping.objects.values_list("state", flat=True)) == ["proposed"]


def test_a_quote_creates_no_second_mapping_for_all_terms_but_proposes_it(autopay: AutoPayBuilder) -> None:
    AutoPaySettings.objects.update(from_quotes="make")
    autopay.create_mapping(autopay.save_card())
    pay_recurring_quote(autopay)
    assert sorted(AutoPayMapping.objects.values_list("origin", "state")) == [
        ("merchant", "active"),
        ("quote", "proposed"),
    ]


def test_a_quote_without_a_recurring_part_proposes_nothing(autopay: AutoPayBuilder) -> None:
    assert autopay.tenant.open_checkout().pay().status_code == 200
    deliver_outbox()
    assert not AutoPayMapping.objects.exists()
