"""Who is who at the checkout: what was typed proves nothing, and what an unproved address makes is nobody's yet."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from merchants.models import Notification, Terms
from payers.company_access import remove_access
from payers.models import PayerAccess, PayerCompany, Registration
from payments.models import Attempt, SavedMethod, Setup
from payments.portal.access import list_visible_payments
from payments.saved_methods.services import set_default_method
from tests.payers.welcome_flow import DETAILS, get_hidden_fields, get_welcome_link, post_form
from tests.payments.consent_form import get_consent_fields
from tests.payments.signed_in_payer import (
    ONLY_RECURRING,
    RECURRING,
    SignedInPayer,
    create_card_token,
    get_terms_id,
)
from tests.tenants import Checkout, Tenant, deliver_outbox
from wisepay.models import AuditEntry, User

OWNER, OTHER = "ada@harbourdental.example", "bob@harbourdental.example"


def register(checkout: Checkout, client: Client, email: str, **typed: str) -> Any:
    """Fill Payer Information in and accept the terms."""
    terms = get_terms_id(checkout.payment.merchant, Terms.Kind.USER_ACCOUNT)
    form = {"name": "Typed Name", "email": email, "phone": "+61 111", "accepted_terms": terms} | typed
    return client.post(f"{checkout.path}/register", form)


def build_form(checkout: Checkout, **form: Any) -> dict[str, Any]:
    """What the page's script posts, with a name and an address that a browser made up."""
    who = {"name": "Somebody Else", "email": "else@example.com", "amount": checkout.payment.amount}
    fresh = {"confirmation_token": create_card_token(checkout.tenant), "saves": "1"}
    return who | fresh | get_consent_fields(checkout.payment, saves=True) | form


def pay_as_registrant(checkout: Checkout, email: str = OWNER, **form: Any) -> Client:
    """Register with an address that nothing proves, pay, and save the card."""
    client = Client()
    register(checkout, client, email)
    kind = "attempts" if checkout.payment.amount else "setups"
    answer = client.post(f"{checkout.path}/{kind}", build_form(checkout, **form))
    assert answer.json()["status"] == "succeeded", answer.content
    deliver_outbox()
    return client


def answer_question(client: Client, answer: str) -> Any:
    """Answer the question that stands, as the page posts it."""
    return post_form(client, "/welcome/registrations", answer=answer)


def read_page(client: Client, path: str, email: str) -> str:
    """The page without what differs between any two requests, and without the address that was typed."""
    answer = client.get(path)
    text = re.sub(r'(csrfmiddlewaretoken" value=|nonce=|X-CSRFToken": )"[^"]*"', "", answer.content.decode())
    return f"{answer.status_code} {answer.get('Location', '')} {text.replace(email, 'TYPED')}"


# ---- data of an account is not shown to who typed its address --------------------------------------


KNOWN: dict[str, Callable[[Tenant, Tenant], object]] = {
    "a payer of this company": lambda t, s: t.access("known@example.com"),
    "a payer of another merchant": lambda t, s: s.access("known@example.com", company="Elsewhere"),
    "somebody who was removed": lambda t, s: t.access("known@example.com", state="removed"),
    "somebody who works for the merchant": lambda t, s: User.objects.filter(pk=t.user.pk).update(
        email="known@example.com", name="Ada Payer"
    ),
}


@pytest.mark.parametrize("known", KNOWN)
def test_a_known_and_an_unknown_address_look_alike_on_every_page(
    tenant: Tenant, stranger: Tenant, checkout: Checkout, known: str
) -> None:
    KNOWN[known](tenant, stranger)
    User.objects.filter(email="known@example.com").update(name="Secret Name")
    pages: list[list[str]] = []
    for email in ("known@example.com", "fresh@example.com"):
        client, opened = Client(), tenant.open_checkout()
        answer = register(opened, client, email)
        seen = [f"{answer.status_code} {answer['Location'].rpartition('/')[2]}"]
        paths = (f"{opened.path}/checkout", opened.path, f"{opened.path}/register")
        seen += [read_page(client, path, email) for path in paths]
        paid = client.post(f"{opened.path}/attempts", build_form(opened))
        seen.append(paid.content.decode().split('"attempt"')[0])
        seen.append(re.sub(r"<time.*?</time>", "", read_page(client, opened.path, email)))
        deliver_outbox()
        own = f"{opened.payment.reference}|{opened.quote.reference}|{opened.quote.number}"
        pages.append([re.sub(own, "OWN", text) for text in seen])
    assert "Secret Name" not in str(pages)
    assert all("Typed Name" in seen[1] for seen in pages)
    for one, other in zip(*pages, strict=True):
        assert one == other


def test_the_form_says_nothing_about_who_pays(tenant: Tenant, checkout: Checkout) -> None:
    pay_as_registrant(checkout)
    [attempt] = checkout.attempts
    assert (attempt.payer_name, attempt.payer_email, attempt.payer_phone) == ("Typed Name", OWNER, "+61 111")
    payer, second = SignedInPayer(tenant), tenant.open_checkout()
    payer.pay(second, name="Somebody Else", email="else@example.com")
    assert (second.attempts[0].payer_name, second.attempts[0].payer_email) == ("Pat Payer", payer.email)


# ---- what a registrant makes is nobody's until its owner confirms ----------------------------------


@pytest.mark.parametrize("scope", ["company", "own"])
@pytest.mark.parametrize("changes", [{}, RECURRING, ONLY_RECURRING], ids=["once", "mixed", "recurring only"])
def test_what_an_unproved_address_makes_is_in_nobodys_account(
    tenant: Tenant, changes: dict[str, Any], scope: str
) -> None:
    access, checkout = tenant.access(OWNER, scope=scope), tenant.open_checkout(**changes)
    colleague = tenant.payer(OTHER)
    owner = tenant.payer(OWNER)
    pay_as_registrant(checkout)
    [method] = SavedMethod.objects.all()
    assert (method.owner, method.is_shared, method.is_default) == (None, False, False)
    assert not Attempt.objects.filter(user__isnull=False).exists()
    assert not Setup.objects.filter(user__isnull=False).exists()
    for client in (owner, colleague):
        for path in ("/my/cards", f"{tenant.open_checkout().path}/checkout", "/my/auto-pay"):
            assert "4242" not in client.get(path).content.decode()
        refused = client.post(
            f"{tenant.open_checkout().path}/attempts", build_form(checkout, saved_method=method.reference)
        )
        assert refused.status_code in (409, 422)
        assert client.post(f"/my/methods/{method.reference}/share", {"shared": "1"}).status_code == 404
    if scope == "own":
        assert not list_visible_payments([access], access.user).exists()
    assert owner.get("/my/")["Location"] == "/welcome/registrations?next=%2Fmy%2F"
    assert colleague.get("/my/").status_code == 200


def test_the_database_keeps_an_unproved_method_from_everybody(tenant: Tenant, checkout: Checkout) -> None:
    pay_as_registrant(checkout)
    [method] = SavedMethod.objects.all()
    for column in ("is_shared", "is_default"):
        with pytest.raises(IntegrityError, match="unproved_method_is_nobodys"), transaction.atomic():
            SavedMethod.objects.filter(pk=method.pk).update(**{column: True})
    with pytest.raises(IntegrityError, match="unproved_method_is_nobodys"):
        set_default_method(method)


def test_it_joins_the_account_when_its_owner_says_so_at_the_next_sign_in(tenant: Tenant, checkout: Checkout) -> None:
    tenant.access(OWNER, scope="own")
    owner = tenant.payer(OWNER)
    pay_as_registrant(checkout)
    page = owner.get("/welcome/registrations").content.decode()
    assert "Paid A$625.00 for" in page
    assert "Saved Visa ···· 4242" in page
    assert answer_question(owner, "keep").status_code == 302
    [method] = SavedMethod.objects.all()
    assert (method.owner and method.owner.email, method.is_shared, method.is_default) == (OWNER, False, True)
    assert "4242" in owner.get("/my/cards").content.decode()
    assert owner.get("/my/").status_code == 200
    assert checkout.attempts[0].user == method.owner
    assert AuditEntry.objects.filter(action="payer.registration_confirmed", merchant_id=tenant.merchant.pk).exists()


def test_not_me_removes_the_method_and_tells_the_merchant(tenant: Tenant, checkout: Checkout) -> None:
    access = tenant.access(OWNER, scope="own")
    owner = tenant.payer(OWNER)
    pay_as_registrant(checkout)
    answer_question(owner, "reject")
    [method] = SavedMethod.objects.all()
    assert (method.state, method.owner, checkout.payment.state) == ("removed", None, "succeeded")
    deliver_outbox()
    detached = tenant.world.get(
        f"/stripe/v1/payment_methods/{method.stripe_payment_method_id}",
        headers={"Authorization": f"Bearer {tenant.stripe_key}"},
    ).json()
    assert detached["customer"] is None
    assert Notification.objects.filter(title="Somebody says that a payment was not theirs").exists()
    assert not list_visible_payments([access], access.user).exists()
    assert owner.get("/my/").status_code == 200
    assert AuditEntry.objects.filter(action="payer.registration_rejected").exists()


def test_the_mailed_link_asks_before_anything_else(tenant: Tenant, checkout: Checkout) -> None:
    pay_as_registrant(checkout, "new@example.com")
    link, client = get_welcome_link(tenant, "new@example.com"), Client()
    client.get(link)
    assert client.get("/welcome/")["Location"] == "/welcome/registrations"
    answer_question(client, "keep")
    assert client.get("/welcome/")["Location"] == "/welcome/password"
    password = {"password": "violet-harbour-staple-9", "again": "violet-harbour-staple-9"}
    hidden = get_hidden_fields(client.get("/welcome/password"))
    client.post("/welcome/password", hidden | password | {"password1": password["password"]})
    assert SavedMethod.objects.get().owner == User.objects.get(email="new@example.com")


def test_who_never_asked_says_so_by_the_link_and_has_no_account_to_make(tenant: Tenant, checkout: Checkout) -> None:
    pay_as_registrant(checkout, "new@example.com")
    link, client = get_welcome_link(tenant, "new@example.com"), Client()
    client.get(link)
    page = answer_question(client, "reject")
    assert "Nothing of it is in an account of yours" in page.content.decode()
    assert not PayerAccess.objects.filter(user__email="new@example.com").exists()
    assert SavedMethod.objects.get().state == "removed"


def test_an_account_with_a_password_is_joined_by_its_sign_in_alone(tenant: Tenant, checkout: Checkout) -> None:
    tenant.access(OWNER, company="Elsewhere")
    pay_as_registrant(checkout)
    link, client = get_welcome_link(tenant, OWNER), Client()
    client.get(link)
    assert answer_question(client, "keep")["Location"].startswith("/accounts/login/")
    assert SavedMethod.objects.get().owner is None


def test_what_is_made_after_an_answer_is_asked_about_anew(tenant: Tenant) -> None:
    tenant.access(OWNER, scope="own")
    owner, checkout = tenant.payer(OWNER), tenant.open_checkout()
    browser = pay_as_registrant(checkout)
    first = Registration.objects.get()
    answer_question(owner, "keep")
    second = tenant.open_checkout()
    session = browser.session
    session["registering"] = {second.payment.reference: first.reference}
    session.save()
    browser.post(f"{second.path}/attempts", build_form(second))
    assert second.attempts[0].user is None
    assert owner.get("/my/")["Location"].startswith("/welcome/registrations")
    answer_question(owner, "reject")
    assert [(m.state, bool(m.owner)) for m in SavedMethod.objects.order_by("pk")] == [
        ("active", True),
        ("removed", False),
    ]


def test_an_answer_is_about_what_was_shown(tenant: Tenant, checkout: Checkout) -> None:
    tenant.access(OWNER, scope="own")
    owner = tenant.payer(OWNER)
    pay_as_registrant(checkout)
    shown = get_hidden_fields(owner.get("/welcome/registrations"))
    SavedMethod.objects.update(last4="0002")
    owner.post("/welcome/registrations", shown | {"answer": "keep"})
    assert SavedMethod.objects.get().owner is None
    other = tenant.payer(OTHER)
    other.post("/welcome/registrations", shown | {"answer": "keep"})
    assert Registration.objects.get().state == "waiting"


# ---- access arises from a success, an invitation or a person's act ---------------------------------


REFUSED = {
    "another amount": {"amount": "1"},
    "no terms": {"accepted_terms": "0"},
    "a declined card": {"card": "4000000000000002"},
    "somebody's method": {"saved_method": "none0such0method0her"},
}


@pytest.mark.parametrize("before", ["removed", "none"])
@pytest.mark.parametrize("form", REFUSED.values(), ids=REFUSED.keys())
def test_a_try_opens_no_access(tenant: Tenant, before: str, form: dict[str, str]) -> None:
    payer, checkout = SignedInPayer(tenant), tenant.open_checkout()
    PayerCompany.objects.filter(pk=checkout.payment.company_id).update(email=payer.email)
    if before == "removed":
        remove(tenant, payer.grant_access(checkout.payment))
    changed = dict(form)
    if card := changed.pop("card", ""):
        changed["confirmation_token"] = create_card_token(tenant, card)
    answer = payer.pay_and_save(checkout, **changed)
    assert answer.json()["status"] in ("refused", "failed", "invalid")
    deliver_outbox()
    states = list(PayerAccess.objects.filter(user=payer.user).values_list("state", flat=True))
    assert states == (["removed"] if before == "removed" else [])
    assert not Attempt.objects.exclude(state="failed").exists()


def test_a_removed_payer_pays_as_a_guest_does_and_stays_removed(tenant: Tenant) -> None:
    payer, checkout, recurring = SignedInPayer(tenant), tenant.open_checkout(), tenant.open_checkout(**RECURRING)
    PayerCompany.objects.filter(pk=checkout.payment.company_id).update(email=payer.email)
    remove(tenant, payer.grant_access(checkout.payment))
    assert payer.pay_and_save(checkout).json()["code"] == "method_not_allowed"
    assert payer.pay_and_save(recurring).json()["code"] == "guest_refused"
    assert payer.pay(checkout).json()["status"] == "succeeded"
    assert PayerAccess.objects.get(user=payer.user).state == "removed"
    assert "Past" not in payer.client.get(f"/my/payments/{checkout.payment.reference}").content.decode()


def test_a_success_opens_it_and_is_told_and_audited(tenant: Tenant, checkout: Checkout) -> None:
    tenant.access(OTHER)
    payer = SignedInPayer(tenant)
    payer.pay(checkout)
    deliver_outbox()
    assert PayerAccess.objects.get(user=payer.user).state == "active"
    assert AuditEntry.objects.filter(action="payer.access_opened", user=payer.user).count() == 1
    assert [m["subject"] for m in tenant.mails(OTHER)] == ["Pat Payer can now pay for Harbour Dental Pty Ltd"]


def remove(tenant: Tenant, access: PayerAccess) -> None:
    """The merchant removes a payer."""
    with transaction.atomic():
        remove_access(access, by=tenant.user, now=timezone.now())


def test_registering_proves_nothing_for_a_removed_payer(tenant: Tenant, checkout: Checkout) -> None:
    access = tenant.access(OWNER)
    remove(tenant, access)
    pay_as_registrant(checkout)
    owner = Client()
    owner.force_login(access.user)
    answer_question(owner, "keep")
    access.refresh_from_db()
    assert access.state == "removed"


def test_a_confirmed_new_payer_registers_as_before(tenant: Tenant, checkout: Checkout) -> None:
    pay_as_registrant(checkout, "new@example.com")
    client = Client()
    client.get(get_welcome_link(tenant, "new@example.com"))
    answer_question(client, "keep")
    client.force_login(User.objects.get(email="new@example.com"))
    page = client.get("/welcome/details").content.decode()
    assert "Typed Name" in page
    post_form(client, "/welcome/details", **DETAILS)
    assert PayerAccess.objects.get(user__email="new@example.com").state == "active"
    assert "4242" in client.get("/my/cards").content.decode()
