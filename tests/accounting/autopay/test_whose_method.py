"""Who may use a saved method, in every way in which one is used: only its owner, or when shared the whole company.

What went wrong elsewhere: artsy/exchange#276 (any card's id was taken), opencollective/opencollective-api#1413 (a card
that was not saved is its creator's).
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounting.models import AutoPayMapping
from merchants.terms.services import get_current_terms
from payers.models import PayerAccess
from payments.models import SavedMethod, Setup
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.payments.checkout.test_registrations import register
from tests.payments.consent_form import get_consent_fields
from tests.payments.portal.factories import OWN_PAYMENTS
from tests.payments.signed_in_payer import ONLY_RECURRING
from tests.tenants import Checkout, Tenant, give_role

COLLEAGUE, CLERK = "bob@harbourdental.example", "clerk@harbourdental.example"
BROWSER = {"Accept": "text/html"}


# ---- people -------------------------------------------------------------------------------------


def register_as_its_owner(autopay: AutoPayBuilder, _: Tenant, checkout: Checkout) -> Client:
    client = Client()
    register(checkout, client, PAYER)
    return client


def work_for_the_merchant(autopay: AutoPayBuilder, _: Tenant, __: Checkout) -> Client:
    return autopay.tenant.admin


def work_as_user(autopay: AutoPayBuilder, _: Tenant, __: Checkout) -> Client:
    give_role(autopay.tenant.merchant, "user")
    return autopay.tenant.admin


type Actor = Callable[[AutoPayBuilder, Tenant, Checkout], Client]
PEOPLE: dict[str, Actor] = {
    "its owner": lambda a, s, c: a.tenant.payer(PAYER),
    "a colleague": lambda a, s, c: a.tenant.payer(COLLEAGUE),
    "a colleague with own payments only": lambda a, s, c: a.tenant.payer(CLERK, scope=OWN_PAYMENTS),
    "somebody who was removed": lambda a, s, c: a.tenant.payer("gone@harbourdental.example", state="removed"),
    "somebody who has not confirmed": lambda a, s, c: a.tenant.payer("new@harbourdental.example", state="pending"),
    "a payer of another company": lambda a, s, c: a.tenant.payer("eve@ridgeline.example", company="Ridgeline Legal"),
    "a payer of another merchant": lambda a, s, c: s.payer("eve@elsewhere.example", company="Harbour Dental Pty Ltd"),
    "who registers with its owner's address": register_as_its_owner,
    "a guest": lambda a, s, c: Client(),
    "the merchant's admin": work_for_the_merchant,
    "the merchant's user": work_as_user,
}
MAY_USE = {False: {"its owner"}, True: {"its owner", "a colleague"}}  # by whether it is shared


# ---- ways ---------------------------------------------------------------------------------------


def build_form(checkout: Checkout, method: SavedMethod, **form: Any) -> dict[str, Any]:
    who = {"name": "Somebody", "email": "somebody@example.com", "amount": checkout.payment.amount}
    return (
        who
        | {"saved_method": method.reference}
        | get_consent_fields(checkout.payment, saved_method=method.reference)
        | form
    )


def is_offered_at_the_checkout(client: Client, method: SavedMethod, checkout: Checkout) -> bool:
    return method.reference in client.get(f"{checkout.path}/checkout").content.decode()


def is_confirmed_without_scripts(client: Client, method: SavedMethod, checkout: Checkout) -> bool:
    form = build_form(checkout, method)
    page = client.post(f"{checkout.path}/attempts", form, headers=BROWSER).content.decode()
    return "is_confirmed" in page and method.last4 in page


def pays(client: Client, method: SavedMethod, checkout: Checkout) -> bool:
    client.post(f"{checkout.path}/attempts", build_form(checkout, method))
    return any(attempt.saved_method_id == method.pk for attempt in checkout.attempts)


def pays_without_scripts(client: Client, method: SavedMethod, checkout: Checkout) -> bool:
    form = build_form(checkout, method, is_confirmed="1")
    client.post(f"{checkout.path}/attempts", form, headers=BROWSER)
    return any(attempt.saved_method_id == method.pk for attempt in checkout.attempts)


def is_chosen_for_what_recurs(client: Client, method: SavedMethod, checkout: Checkout) -> bool:
    client.post(f"{checkout.path}/setups", build_form(checkout, method))
    return Setup.objects.filter(saved_method=method, payment=checkout.payment).exists()


def is_listed(client: Client, method: SavedMethod, _: Checkout) -> bool:
    return method.reference in client.get("/my/cards").content.decode()


def map_with(client: Client, method: SavedMethod, **form: Any) -> bool:
    terms = get_current_terms(method.company.merchant, "automatic_payments").pk
    usual = {"company": method.company.reference, "terms": "all", "primary": method.pk, "accepted_terms": terms}
    client.post("/my/autopay", usual | form)
    return AutoPayMapping.objects.filter(state="active", primary_method=form.get("primary", method.pk)).exists()


def is_mapped(client: Client, method: SavedMethod, _: Checkout) -> bool:
    return map_with(client, method)


def is_mapped_as_the_secondary(client: Client, method: SavedMethod, _: Checkout) -> bool:
    """The primary one is everybody's who sees the whole company."""
    other = SavedMethod.objects.exclude(pk=method.pk).get()
    return map_with(client, method, primary=other.pk, secondary=method.pk)


def is_accepted_as_proposed(client: Client, method: SavedMethod, _: Checkout) -> bool:
    """The merchant proposed it while it was shared."""
    mapping = AutoPayMapping.objects.create(
        merchant=method.company.merchant,
        company=method.company,
        primary_method=method,
        origin="merchant",
        state="proposed",
        state_at=method.state_at,
        asks_payer=True,
    )
    terms = get_current_terms(method.company.merchant, "automatic_payments").pk
    client.post(f"/my/autopay/{mapping.reference}/answer", {"answer": "accept", "accepted_terms": terms})
    return AutoPayMapping.objects.filter(state="active").exists()


def is_made_the_default(client: Client, method: SavedMethod, _: Checkout) -> bool:
    SavedMethod.objects.update(is_default=False)
    client.post(f"/my/methods/{method.reference}/default")
    return SavedMethod.objects.get(pk=method.pk).is_default


def is_removed(client: Client, method: SavedMethod, _: Checkout) -> bool:
    client.post(f"/my/methods/{method.reference}/remove")
    return SavedMethod.objects.get(pk=method.pk).state == "removed"


type Way = Callable[[Client, SavedMethod, Checkout], bool]
WAYS: list[Way] = [
    is_offered_at_the_checkout,
    is_confirmed_without_scripts,
    pays,
    pays_without_scripts,
    is_listed,
    is_mapped,
    is_mapped_as_the_secondary,
    is_accepted_as_proposed,
    is_made_the_default,
    is_removed,
]


@pytest.fixture
def method(autopay: AutoPayBuilder) -> SavedMethod:
    """A card that the payer saved and shares, beside another one that stays shared."""
    autopay.save_card("5555555555554444")
    return autopay.save_card()


@pytest.mark.parametrize("is_shared", [False, True], ids=["only me", "shared"])
@pytest.mark.parametrize("person", PEOPLE)
def test_a_method_is_used_by_its_owner_or_when_shared_by_the_company(
    autopay: AutoPayBuilder, stranger: Tenant, method: SavedMethod, person: str, *, is_shared: bool
) -> None:
    SavedMethod.objects.filter(pk=method.pk).update(is_shared=is_shared)
    method.refresh_from_db()
    found, expected = {}, person in MAY_USE[is_shared]
    for number, way in enumerate(WAYS):
        checkout = autopay.tenant.open_checkout(quote={"id": f"way-{number}", "number": 2000 + number})
        client = PEOPLE[person](autopay, stranger, checkout)
        found[way.__name__] = way(client, method, checkout)
        AutoPayMapping.objects.all().delete()
    checkout = autopay.tenant.open_checkout(**ONLY_RECURRING, quote={"id": "recurs", "number": 2100})
    SavedMethod.objects.filter(pk=method.pk).update(state="active")
    client = PEOPLE[person](autopay, stranger, checkout)
    found["is_chosen_for_what_recurs"] = is_chosen_for_what_recurs(client, method, checkout)
    assert found == dict.fromkeys(found, expected)
    if not expected:
        assert autopay.tenant.total_charged() == 0


@pytest.mark.parametrize("is_shared", [False, True], ids=["only me", "shared"])
@pytest.mark.parametrize("role", ["admin", "bookkeeper", "user"])
def test_the_merchants_people_propose_only_what_is_shared(
    autopay: AutoPayBuilder, method: SavedMethod, role: str, *, is_shared: bool
) -> None:
    SavedMethod.objects.filter(pk=method.pk).update(is_shared=is_shared)
    give_role(autopay.tenant.merchant, role)
    path = autopay.tenant.url(f"payers/companies/{autopay.company.reference}/autopay")
    other = SavedMethod.objects.exclude(pk=method.pk).get()
    assert (f'value="{method.pk}"' in autopay.tenant.admin.get(path).content.decode()) == is_shared
    for form in ({"primary": method.pk}, {"primary": other.pk, "secondary": method.pk}):
        answer = autopay.tenant.admin.post(path, {"terms": ["all"], **form})
        assert answer.status_code == (302 if is_shared else 422)
    assert not AutoPayMapping.objects.filter(state="active").exists()
    assert AutoPayMapping.objects.exists() == is_shared


def stops_sharing(autopay: AutoPayBuilder, method: SavedMethod) -> None:
    client = autopay.tenant.payer(PAYER)
    assert client.post(f"/my/methods/{method.reference}/share", {"shared": "0"}).status_code == 302


def narrows_the_access(autopay: AutoPayBuilder, _: SavedMethod) -> None:
    PayerAccess.objects.filter(user__email=COLLEAGUE).update(scope=OWN_PAYMENTS)


def takes_the_access_away(autopay: AutoPayBuilder, _: SavedMethod) -> None:
    PayerAccess.objects.filter(user__email=COLLEAGUE).update(state="removed")


@pytest.mark.parametrize("change", [stops_sharing, narrows_the_access, takes_the_access_away])
def test_what_was_shown_as_usable_is_asked_again_when_it_is_used(
    autopay: AutoPayBuilder, method: SavedMethod, change: Callable[[AutoPayBuilder, SavedMethod], None]
) -> None:
    client, checkout = autopay.tenant.payer(COLLEAGUE), autopay.tenant.open_checkout()
    assert is_offered_at_the_checkout(client, method, checkout)
    assert is_confirmed_without_scripts(client, method, checkout)
    change(autopay, method)
    assert not pays(client, method, checkout)
    assert not pays_without_scripts(client, method, checkout)
    assert not is_mapped(client, method, checkout)
    assert not is_accepted_as_proposed(client, method, checkout)
    assert autopay.tenant.total_charged() == 0
