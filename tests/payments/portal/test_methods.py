"""Saved Credit Cards and Saved Bank Accounts: who sees which, what they may do, and adding one through the gateway."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from payers.models import PayerAccess, PayerCompany, TermsAcceptance
from payments.models import GatewayAccount, SavedMethod, Setup
from payments.states import LIVE_STATES
from tests.payments.portal.factories import (
    OWN_PAYMENTS,
    PortalPayer,
    create_attempt,
    create_company,
    create_payer,
    create_payment,
    record_result,
)
from tests.payments.portal.method_steps import (
    JSON,
    build_form,
    create_saved_method,
    post_action,
    post_method,
)
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Tenant
from wisepay.models import AuditEntry

CARDS, BANKS = "/my/cards", "/my/bank-accounts"
ASKING_CARD, DECLINED_CARD = "4000002760003184", "4000000000000002"


@pytest.fixture
def harbour(tenant: Tenant) -> PayerCompany:
    GatewayAccount.objects.filter(merchant=tenant.merchant).update(takes_bank_debits=True)
    return create_company(tenant, "Harbour Dental")


@pytest.fixture
def ada(harbour: PayerCompany) -> PortalPayer:
    """Sees the whole company."""
    found = create_payer("ada@harbourdental.example", "Ada Payer")
    found.give_access(harbour)
    return found


@pytest.fixture
def bob(harbour: PayerCompany) -> PortalPayer:
    """Sees only what he pays himself."""
    found = create_payer("bob@harbourdental.example", "Bob Clerk")
    found.give_access(harbour, OWN_PAYMENTS)
    return found


# ---- who sees which ----------------------------------------------------------------------------


def test_people_see_their_own_methods_and_whole_companies_the_shared_ones(
    ada: PortalPayer, bob: PortalPayer, harbour: PayerCompany, stranger: Tenant
) -> None:
    create_saved_method(harbour, ada, "1111")
    create_saved_method(harbour, ada, "2222", is_shared=True)
    create_saved_method(harbour, bob, "3333")
    create_saved_method(harbour, bob, "4444", is_shared=True)
    create_saved_method(harbour, ada, "5555", state="removed")
    create_saved_method(create_company(stranger, "Elsewhere"), ada, "6666")
    everything = ("1111", "2222", "3333", "4444", "5555", "6666")
    assert [number in ada.get(CARDS) for number in everything] == [True, True, False, True, False, False]
    assert [number in bob.get(CARDS) for number in everything] == [False, False, True, True, False, False]
    PayerAccess.objects.filter(user=ada.user).update(state="removed")
    assert [number in ada.get(CARDS) for number in everything] == [False] * 6


def test_cards_and_bank_accounts_have_pages_of_their_own(ada: PortalPayer, harbour: PayerCompany) -> None:
    create_saved_method(harbour, ada, "1111")
    create_saved_method(harbour, ada, "6789", kind="au_becs_debit", brand="Practice Bank")
    assert ("1111" in ada.get(CARDS), "6789" in ada.get(CARDS)) == (True, False)
    assert ("1111" in ada.get(BANKS), "6789" in ada.get(BANKS)) == (False, True)


@pytest.mark.parametrize(
    ("days", "badge"),
    [(-1, "Expired"), (0, "Expires today"), (1, "Expiring in 1 day<"), (60, "Expiring in 60 days"), (61, "")],
)
def test_badges_say_when_a_card_expires(ada: PortalPayer, harbour: PayerCompany, days: int, badge: str) -> None:
    today = timezone.now().astimezone(harbour.merchant.zone).date()
    create_saved_method(harbour, ada, "1111", expires_on=today + timedelta(days=days))
    page = ada.get(CARDS)
    assert (badge or 'class="saved-method"') in page
    assert ("badge-" in page) == bool(badge)


def test_the_last_use_is_told_in_the_merchants_time(ada: PortalPayer, harbour: PayerCompany) -> None:
    create_saved_method(harbour, ada, "1111", last_used_at=datetime(2026, 3, 1, 20, 30, tzinfo=UTC))
    assert "2 Mar 2026, 07:30" in ada.get(CARDS)


def test_the_list_takes_no_more_statements_for_more_methods(ada: PortalPayer, harbour: PayerCompany) -> None:
    create_saved_method(harbour, ada, "1111", is_shared=True)
    ada.get(CARDS)
    with CaptureQueriesContext(connection) as one:
        ada.get(CARDS)
    for number in range(2000, 2005):
        create_saved_method(harbour, ada, str(number), is_shared=True)
    with CaptureQueriesContext(connection) as many:
        assert "2004" in ada.get(CARDS)
    assert len(many) == len(one)


def test_badges_say_default_shared_and_invalid_with_the_reason(ada: PortalPayer, harbour: PayerCompany) -> None:
    create_saved_method(harbour, ada, "1111", is_default=True, is_shared=True)
    page = ada.get(CARDS)
    assert "Default</span>" in page
    assert "Shared with the company</span>" in page
    assert "Saved by you" in page
    create_saved_method(
        harbour,
        ada,
        "6789",
        kind="au_becs_debit",
        brand="Practice Bank",
        state="invalid",
        last_failure="account_closed",
    )
    page = ada.get(BANKS)
    assert "Invalid</span>" in page
    assert "The bank account is closed. Remove it and add another one." in page
    assert "Set default" not in page


# ---- what they may do --------------------------------------------------------------------------


def test_the_default_is_one_for_the_company(ada: PortalPayer, harbour: PayerCompany) -> None:
    first, second = (
        create_saved_method(harbour, ada, "1111", is_default=True),
        create_saved_method(harbour, ada, "2222"),
    )
    assert post_action(ada, second, "default") == 302
    assert post_action(ada, second, "default") == 302
    defaults = SavedMethod.objects.filter(is_default=True).values_list("pk", flat=True)
    assert list(defaults) == [second.pk]
    assert first.pk != second.pk


def test_sharing_is_for_the_one_who_saved_it(ada: PortalPayer, bob: PortalPayer, harbour: PayerCompany) -> None:
    eve = create_payer("eve@harbourdental.example")
    eve.give_access(harbour)
    own = create_saved_method(harbour, ada, "1111")
    assert post_action(ada, own, "share", shared="1") == 302
    assert "1111" in eve.get(CARDS)
    assert post_action(eve, own, "share", shared="0") == 403
    assert post_action(ada, own, "share", shared="0") == 302
    assert "1111" not in eve.get(CARDS)


def test_removing_takes_it_from_everybody_and_tells_the_gateway(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany, deliver: Any
) -> None:
    assert post_method(ada, build_form(tenant, harbour))[0] == 200
    [method] = SavedMethod.objects.all()
    assert post_action(ada, method, "remove") == 302
    deliver()
    method.refresh_from_db()
    assert (method.state, method.is_default) == ("removed", False)
    auth = {"Authorization": f"Bearer {tenant.stripe_key}"}
    seen = tenant.world.get(f"/stripe/v1/payment_methods/{method.stripe_payment_method_id}", headers=auth).json()
    assert seen["customer"] is None
    assert "4242" not in ada.get(CARDS).replace("4242 is removed", "")
    assert AuditEntry.objects.filter(action="method.removed", user=ada.user).count() == 1


@pytest.mark.parametrize("is_saved", [True, False], ids=["saved before", "saved along with it"])
def test_a_method_whose_payment_has_not_ended_stays(ada: PortalPayer, harbour: PayerCompany, is_saved: bool) -> None:
    method = create_saved_method(harbour, ada, "1111")
    going = create_attempt(create_payment(harbour), by=ada.user)
    changed = {"saved_method": method} if is_saved else {"stripe_payment_method_id": method.stripe_payment_method_id}
    type(going).objects.filter(pk=going.pk).update(**changed)
    assert post_action(ada, method, "remove") == 302
    assert "has not ended yet" in ada.get(CARDS)
    method.refresh_from_db()
    assert method.state == "active"
    going.refresh_from_db()
    record_result(going, "cancelled")
    post_action(ada, method, "remove")
    method.refresh_from_db()
    assert method.state == "removed"


ACTIONS = ("default", "share", "remove")


def test_own_scope_may_only_remove_what_is_theirs(ada: PortalPayer, bob: PortalPayer, harbour: PayerCompany) -> None:
    own, shared, private = (
        create_saved_method(harbour, bob, "1111"),
        create_saved_method(harbour, ada, "2222", is_shared=True),
        create_saved_method(harbour, ada, "3"),
    )
    assert [post_action(bob, own, name) for name in ACTIONS] == [403, 403, 302]
    assert [post_action(bob, shared, name) for name in ACTIONS] == [404, 404, 404]
    assert [post_action(bob, private, name) for name in ACTIONS] == [404, 404, 404]


def test_strangers_reach_no_method_and_no_addition(
    tenant: Tenant, stranger: Tenant, ada: PortalPayer, harbour: PayerCompany
) -> None:
    other = create_payer("other@example.com")
    other.give_access(create_company(stranger, "Elsewhere"))
    method = create_saved_method(harbour, ada, "1111", is_shared=True)
    assert [post_action(other, method, name) for name in ACTIONS] == [404, 404, 404]
    assert other.client.post("/my/methods", build_form(tenant, harbour)).status_code == 404
    assert post_method(ada, build_form(tenant, harbour, ASKING_CARD))[1]["status"] == "requires_action"
    setup = Setup.objects.get()
    for tail in ("check", "stop"):
        path = f"/my/methods/added/{setup.reference}/{tail}"
        assert other.client.post(path).status_code == 404
        assert stranger.admin.post(path).status_code == 404
        assert Client().post(path).status_code == 302
        assert ada.client.get(path).status_code == 405


def test_an_admin_who_sees_as_the_payer_changes_nothing(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany
) -> None:
    method = create_saved_method(harbour, ada, "1111")
    tenant.admin.post(tenant.url(f"payers/see/{PayerAccess.objects.get(user=ada.user).reference}"), {"reason": "asked"})
    page = tenant.admin.get(CARDS).content.decode()
    assert "1111" in page
    assert "Remove" not in page
    assert "/my/methods/new" not in page
    for name in ACTIONS:
        assert tenant.admin.post(f"/my/methods/{method.reference}/{name}").status_code == 403
    assert tenant.admin.post("/my/methods", build_form(tenant, harbour)).status_code == 403
    assert "payment-element" not in tenant.admin.get("/my/methods/new").content.decode()


# ---- adding ------------------------------------------------------------------------------------


def test_a_card_is_saved_with_the_proof_of_the_terms(tenant: Tenant, ada: PortalPayer, harbour: PayerCompany) -> None:
    status, body = post_method(ada, build_form(tenant, harbour))
    assert (status, body["status"], body["next"]) == (200, "succeeded", CARDS)
    [method] = SavedMethod.objects.all()
    assert (method.owner, method.company, method.last4, method.is_default) == (ada.user, harbour, "4242", True)
    assert method.acceptance == TermsAcceptance.objects.get(user=ada.user)
    assert "4242" in ada.get(CARDS)
    assert tenant.intents() == []


def test_the_bank_asks_first_and_the_page_shows_how_it_stands(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany
) -> None:
    _, body = post_method(ada, build_form(tenant, harbour, ASKING_CARD))
    assert body["status"] == "requires_action"
    assert body["client_secret"]
    page = ada.client.get(f"{CARDS}?setup_intent=seti_1&redirect_status=pending")
    assert "Your bank wants to confirm that it is you." in page.content.decode()
    assert "js/methods.js" in page.content.decode()
    assert "frame-src" in page["Content-Security-Policy"]
    setup = Setup.objects.get()
    again = json.loads(ada.client.post(body["attempt"], headers=JSON).content)
    assert again["status"] == "requires_action"
    assert ada.client.post(body["attempt"])["Location"] == CARDS
    assert ada.client.post(f"/my/methods/added/{setup.reference}/stop")["Location"] == CARDS
    setup.refresh_from_db()
    assert setup.state == "cancelled"
    assert "wants to confirm" not in ada.get(CARDS)


def test_a_bank_that_does_not_know_the_payer_is_told(tenant: Tenant, ada: PortalPayer, harbour: PayerCompany) -> None:
    _, body = post_method(ada, build_form(tenant, harbour, ASKING_CARD))
    answer_three_d_secure(tenant.world, body["client_secret"], outcome="fail")
    again = json.loads(ada.client.post(body["attempt"], headers=JSON).content)
    assert (again["status"], "could not confirm that it was you" in again["message"]) == ("failed", True)
    assert not SavedMethod.objects.exists()


def test_a_declined_card_is_told_and_not_kept(tenant: Tenant, ada: PortalPayer, harbour: PayerCompany) -> None:
    _, body = post_method(ada, build_form(tenant, harbour, DECLINED_CARD))
    assert body["status"] == "failed"
    assert body["message"]
    assert not SavedMethod.objects.exists()
    assert "It was not saved." in ada.get(CARDS)
    Setup.objects.update(state_at=timezone.now() - timedelta(hours=2))
    assert "It was not saved." not in ada.get(CARDS)


def test_an_answer_that_was_lost_is_looked_up(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany, deliver: Any
) -> None:
    tenant.world.fault("stripe", "drop_after", path="/v1/setup_intents")
    status, body = post_method(ada, build_form(tenant, harbour))
    assert status == 200
    assert body["status"] in (*LIVE_STATES, "succeeded")
    deliver(at=timezone.now() + timedelta(minutes=1))
    assert SavedMethod.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"accepted_terms": ""}, 422, None),
        ({"accepted_terms": "999999"}, 422, "terms_not_accepted"),
        ({"confirmation_token": "4242424242424242"}, 422, None),
        ({"method": "cash"}, 422, None),
        ({"company": "a b"}, 422, None),
        ({"method": "bank_debit"}, 409, "method_not_allowed"),
    ],
)
def test_what_cannot_be_added_is_refused_with_a_reason(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany, change: dict[str, str], status: int, code: str | None
) -> None:
    seen, body = post_method(ada, build_form(tenant, harbour) | change)
    assert (seen, body.get("code")) == (status, code)
    assert not Setup.objects.exists()


def test_a_gateway_that_is_silent_or_refuses_is_told(tenant: Tenant, ada: PortalPayer, harbour: PayerCompany) -> None:
    tenant.world.fault("stripe", "status", path="/v1/customers", times=10)
    assert post_method(ada, build_form(tenant, harbour))[1]["code"] == "unavailable"
    GatewayAccount.objects.filter(merchant=tenant.merchant).delete()
    assert post_method(ada, build_form(tenant, harbour))[1]["code"] == "method_not_allowed"


def test_somebody_who_adds_too_often_is_stopped(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany, settings: Any
) -> None:
    settings.DECLINES_PER_ACCOUNT_HOUR = 1
    assert post_method(ada, build_form(tenant, harbour, "4000000000000002"))[1]["status"] == "failed"
    status, answer = post_method(ada, build_form(tenant, harbour))
    assert (status, answer["code"]) == (429, "too_many_attempts")


def test_bank_accounts_can_be_added_where_the_currency_has_debits(
    ada: PortalPayer, harbour: PayerCompany, tenant: Tenant
) -> None:
    form = f"/my/methods/new?kind=bank_debit&company={harbour.reference}"
    assert "payment-element" not in ada.get(form)
    create_payment(create_company(tenant, "Another"), currency="AUD")
    assert "au_becs_debit" in ada.get(form)
    create_payment(harbour, currency="CHF")
    assert "payment-element" not in ada.get(form)
    create_payment(harbour, currency="NZD")
    assert "nz_bank_account" in ada.get(form)
    assert "Add a bank account" in ada.get(BANKS)


def test_with_several_companies_one_is_chosen_first(
    ada: PortalPayer, harbour: PayerCompany, tenant: Tenant, stranger: Tenant
) -> None:
    assert "payment-element" in ada.get("/my/methods/new")
    second = create_company(tenant, "Second Co")
    ada.give_access(second)
    page = ada.get("/my/methods/new")
    assert "For which company?" in page
    assert "payment-element" not in page
    assert f"company={second.reference}" in page
    foreign = create_company(stranger, "Elsewhere")
    assert "payment-element" not in ada.get(f"/my/methods/new?company={foreign.reference}")


def test_the_form_asks_for_the_terms_in_force_and_no_card_data(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany
) -> None:
    page = ada.get("/my/methods/new")
    terms = get_current_terms(tenant.merchant, Terms.Kind.SAVED_CARD)
    assert f'value="{terms.pk}"' in page
    assert "pk_test_" in page
    assert "sk_test_" not in page
    assert "card_number" not in page


@pytest.mark.parametrize(
    ("form", "words"),
    [({"confirmation_token": ""}, "Nothing was saved."), ({"accepted_terms": "0"}, "accept"), ({}, "")],
)
def test_a_form_that_no_script_sends_is_answered_with_a_page(
    tenant: Tenant, ada: PortalPayer, harbour: PayerCompany, form: dict[str, str], words: str
) -> None:
    headers = {"Accept": "text/html,*/*;q=0.8"}
    answer = ada.client.post("/my/methods", build_form(tenant, harbour, **form), headers=headers, follow=True)
    assert answer.redirect_chain == [("/my/cards", 302)]
    assert words in answer.content.decode()
