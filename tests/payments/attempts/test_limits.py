"""Limits against card testing: what counts, what forgives, the brake; a bot that tries all, and honest payers."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from merchants.models import Notification
from payments.models import Attempt, AttemptBrake, Setup
from tests.concurrency import run_concurrently
from tests.payments.consent_form import get_consent_fields, get_saving_terms
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant
from wisepay.models import AuditEntry

DECLINED, NEEDS_3DS, GOOD = "4000000000000002", "4000002760003184", "4242424242424242"
SETUP_PATHS = {"/v1/payment_intents": Attempt, "/v1/setup_intents": Setup}


def count_tries(tenant: Tenant) -> int:
    """How many charges and setups Stripe was asked for."""
    asked = [(e["method"], e["path"]) for e in tenant.world.journal("stripe")]
    return sum(asked.count(("POST", path)) for path in SETUP_PATHS)


def read(answer: HttpResponse) -> dict[str, Any]:
    """The body of an answer of the JSON API."""
    found: dict[str, Any] = json.loads(answer.content)
    return found


def from_ip(ip: str) -> Client:
    """A browser at that address."""
    return Client(REMOTE_ADDR=ip)


def open_quote(tenant: Tenant, company: str = "Harbour Dental Pty Ltd", **changes: Any) -> Checkout:
    """A quote of one of the merchant's clients."""
    email = f"{company.split()[0].lower()}@client.example"
    return tenant.open_checkout(customer={"account_name": company, "email": email}, **changes)


def add_card(client: Client, tenant: Tenant, company: str, token: str) -> HttpResponse:
    """Add a card in the portal's settings, as the page's script does."""
    form = {
        "company": tenant.company(company).reference,
        "method": "card",
        "confirmation_token": token,
        "accepted_terms": get_saving_terms(tenant.merchant, "card"),
    }
    answer = client.post("/my/methods", form, headers={"Accept": "application/json"})
    assert isinstance(answer, HttpResponse)
    return answer


# ---- what counts, by every key ---------------------------------------------------------------------

V6 = "2001:db8:1:{:x}::{:x}"
KEYS: dict[str, tuple[str, int, Callable[[int], dict[str, Any]]]] = {
    "network": ("DECLINES_PER_NETWORK_HOUR", 3, lambda n: {"ip": "203.0.113.7"}),
    "mapped IPv4": ("DECLINES_PER_NETWORK_HOUR", 3, lambda n: {"ip": ["203.0.113.7", "::ffff:203.0.113.7"][n % 2]}),
    "IPv6 /64": ("DECLINES_PER_NETWORK_HOUR", 3, lambda n: {"ip": V6.format(1, n + 1)}),
    "IPv6 /56": ("DECLINES_PER_IPV6_56_HOUR", 3, lambda n: {"ip": V6.format(n + 1, 1)}),
    "IPv6 /48": ("DECLINES_PER_IPV6_48_HOUR", 3, lambda n: {"ip": V6.format(0x100 * (n + 1), 1)}),
    "address": (
        "DECLINES_PER_ADDRESS_HOUR",
        3,
        lambda n: {"email": ["Mallory@Example.com", "mallory@example.com"][n % 2]},
    ),
    "company": ("DECLINES_PER_COMPANY_HOUR", 3, lambda n: {"company": "Harbour Dental Pty Ltd"}),
    "merchant": ("DECLINES_PER_MERCHANT_HOUR", 3, lambda n: {}),
    "quote": ("DECLINES_PER_PAYMENT", 3, lambda n: {"same_quote": True}),
}


@pytest.mark.parametrize("name", KEYS)
def test_each_key_has_a_limit_that_is_answered_with_429_and_the_seconds(
    tenant: Tenant, settings: Any, name: str
) -> None:
    setting, limit, build = KEYS[name]
    setattr(settings, setting, limit)
    first = open_quote(tenant, "Client 0")
    answers = []
    for number in range(limit + 1):
        shared = build(number)
        checkout = first if "same_quote" in shared else open_quote(tenant, shared.get("company", f"Client {number}"))
        client = from_ip(shared.get("ip", f"198.51.100.{number + 1}"))
        token: dict[str, Any] = {} if number < limit else {"confirmation_token": "ctoken_anything"}
        email = shared.get("email", f"payer{number}@example.com")
        answers.append(checkout.pay(DECLINED, client=client, email=email, **token))
    assert [read(a)["status"] for a in answers] == ["failed"] * limit + ["refused"]
    assert (answers[-1].status_code, read(answers[-1])["code"]) == (429, "too_many_attempts")
    assert 0 < int(answers[-1]["Retry-After"]) <= 86_401
    assert count_tries(tenant) == limit
    elsewhere = open_quote(tenant, "Somebody Else").pay(client=from_ip("192.0.2.1"), email="honest@example.com")
    assert read(elsewhere)["status"] == ("refused" if name == "merchant" else "succeeded")


WHAT_COUNTS = {
    "declined": (DECLINED, True),
    "needs the bank's page": (NEEDS_3DS, True),
    "a token that Stripe does not know": ("", True),
    "succeeded": (GOOD, False),
}


@pytest.mark.parametrize("kind", WHAT_COUNTS)
def test_declines_and_tries_without_an_answer_count_and_successes_do_not(
    tenant: Tenant, settings: Any, kind: str
) -> None:
    settings.DECLINES_PER_NETWORK_HOUR = 2
    card, counts = WHAT_COUNTS[kind]
    for number in range(3):
        token: dict[str, Any] = {} if card else {"confirmation_token": f"ctoken_unknown{number}"}
        last = open_quote(tenant, f"Client {number}").pay(card, email=f"p{number}@example.com", **token)
    assert (read(last)["status"] == "refused") is counts


def test_a_lost_answer_counts_until_somebody_knows(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_NETWORK_HOUR = 1
    with tenant.world.inject_fault("stripe", "drop_after", path="/v1/payment_intents"):
        assert read(open_quote(tenant, "One").pay())["status"] == "processing"
    assert open_quote(tenant, "Two").pay().status_code == 429


def test_a_try_that_the_payer_gave_up_counts(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_NETWORK_HOUR = 1
    asked = read(open_quote(tenant, "One").pay(NEEDS_3DS))
    Client().post(asked["attempt"].replace("/check", "/stop"))
    assert Attempt.objects.get().state == "cancelled"
    assert open_quote(tenant, "Two").pay().status_code == 429


def test_the_merchants_own_trouble_with_the_gateway_does_not_count(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_NETWORK_HOUR = 1
    with tenant.world.inject_fault("stripe", "status", status=401, path="/v1/payment_intents"):
        assert read(open_quote(tenant, "One").pay())["status"] == "failed"
    assert read(open_quote(tenant, "Two").pay())["status"] == "succeeded"


def test_what_is_older_than_an_hour_no_longer_counts(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_NETWORK_HOUR = 1
    open_quote(tenant, "One").pay(DECLINED)
    refused = open_quote(tenant, "Two").pay()
    assert 3500 < int(refused["Retry-After"]) <= 3601
    Attempt.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert read(open_quote(tenant, "Two").pay())["status"] == "succeeded"


def test_a_success_forgives_the_payers_own_declines_and_nobody_elses(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_ADDRESS_HOUR = 2
    settings.DECLINES_PER_NETWORK_HOUR = 3

    def pay(number: int, card: str, ip: str) -> int:
        return open_quote(tenant, f"Client {number}").pay(card, client=from_ip(ip), email="ada@example.com").status_code

    assert pay(1, DECLINED, "203.0.113.1") == 200
    assert pay(2, GOOD, "203.0.113.1") == 200
    assert [pay(3, DECLINED, "203.0.113.1"), pay(4, DECLINED, "203.0.113.1")] == [200, 200]
    # The network's three are not forgiven, though somebody there paid in between.
    assert open_quote(tenant, "Other").pay(client=from_ip("203.0.113.1"), email="b@example.com").status_code == 429
    assert pay(5, DECLINED, "203.0.113.2") == 429


def test_a_signed_in_person_has_the_accounts_limit_and_the_networks(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_NETWORK_HOUR = 3
    settings.DECLINES_PER_ACCOUNT_HOUR = 2
    payers = [tenant.payer(f"payer{n}@example.com", company=f"Client {n}") for n in range(3)]
    codes = [
        add_card(payer, tenant, f"Client {n}", tenant.confirmation_token(DECLINED)).status_code
        for n, payer in enumerate(payers[:2])
        for _ in range(3 if n == 0 else 1)
    ]
    assert codes == [200, 200, 429, 200]
    assert add_card(payers[2], tenant, "Client 2", "ctoken_anything").status_code == 429
    assert count_tries(tenant) == 3


def test_a_stranger_who_types_an_address_does_not_use_up_its_owners_account(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_ADDRESS_HOUR = settings.DECLINES_PER_ACCOUNT_HOUR = 1
    owner = tenant.payer("ada@example.com", company="Client 0")
    open_quote(tenant, "Client 1").pay(DECLINED, client=from_ip("203.0.113.1"), email="ada@example.com")
    assert read(add_card(owner, tenant, "Client 0", tenant.confirmation_token(GOOD)))["status"] == "succeeded"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("setting", [*(f"DECLINES_PER_{key}_HOUR" for key in ("COMPANY", "MERCHANT", "IPV6_48"))])
def test_a_limit_holds_when_many_try_at_once(tenant: Tenant, settings: Any, setting: str) -> None:
    setattr(settings, setting, 4)
    quotes = [open_quote(tenant) for _ in range(9)]
    tokens = [tenant.confirmation_token(DECLINED) for _ in quotes]
    ips = ["2001:db8:7:{:x}::1" if "IPV6" in setting else "203.0.113.{}"] * 9

    def act(i: int) -> HttpResponse:
        client = from_ip(ips[i].format(i + 1))
        return quotes[i].pay(confirmation_token=tokens[i], client=client, email=f"p{i}@example.com")

    run_concurrently(9, act)
    assert count_tries(tenant) == 4


# ---- the brake -------------------------------------------------------------------------------------


def storm(tenant: Tenant, tries: int, *, begin: int = 0) -> list[int]:
    """Decline after decline, each from another network with another address at another client."""
    return [
        open_quote(tenant, f"Client {n}")
        .pay(DECLINED, client=from_ip(f"203.0.113.{n}"), email=f"bot{n}@example.com")
        .status_code
        for n in range(begin, begin + tries)
    ]


def test_a_storm_stops_new_cards_and_the_merchant_is_told_once(
    tenant: Tenant, stranger: Tenant, settings: Any, deliver: Callable[..., int]
) -> None:
    settings.DECLINES_PER_MERCHANT_HOUR = 5
    assert storm(tenant, 8) == [200] * 5 + [429] * 3
    deliver()
    notices = [row["subject"] for row in tenant.mails(tenant.user.email) if "declined" in row["subject"]]
    assert len(notices) == 1
    assert Notification.objects.filter(merchant=tenant.merchant, event="card_testing").count() == 1
    page = tenant.admin.get(tenant.url("payments/")).content.decode()
    assert "no new cards" in page
    assert "Take new cards again now" in page
    assert read(open_quote(stranger).pay())["status"] == "succeeded"


def test_what_was_saved_before_can_be_paid_with_during_a_storm(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_MERCHANT_HOUR = 2
    payer = tenant.payer("ada@example.com", company="Client 0")
    saved = read(add_card(payer, tenant, "Client 0", tenant.confirmation_token(GOOD)))
    assert saved["status"] == "succeeded"
    storm(tenant, 3, begin=1)
    assert add_card(payer, tenant, "Client 0", "ctoken_anything").status_code == 429
    checkout = open_quote(tenant, "Client 0")
    reference = Setup.objects.get(state="succeeded").saved_method.reference  # type: ignore[union-attr]
    form = {"amount": checkout.payment.amount, "name": "Ada", "email": "ada@example.com", "saved_method": reference}
    form |= get_consent_fields(checkout.payment, saved_method=reference)
    paid = payer.post(f"{checkout.path}/attempts", form)
    assert (paid.status_code, paid.json()["status"]) == (200, "succeeded")


def test_an_admin_lifts_the_brake_and_only_what_follows_counts(tenant: Tenant, settings: Any) -> None:
    settings.DECLINES_PER_MERCHANT_HOUR = 3
    assert storm(tenant, 4)[-1] == 429
    assert Client().post(tenant.url("payments/resume")).status_code == 302
    assert AttemptBrake.objects.get().lifted_at is None
    tenant.admin.post(tenant.url("payments/resume"))
    assert AuditEntry.objects.filter(action="payments.brake_lifted", user=tenant.user).count() == 1
    assert "no new cards" not in tenant.admin.get(tenant.url("payments/")).content.decode()
    assert storm(tenant, 4, begin=10) == [200, 200, 200, 429]
    assert Notification.objects.filter(event="card_testing", user=tenant.user).count() == 2


def test_a_storm_that_goes_on_is_told_once_and_a_later_one_again(
    tenant: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DECLINES_PER_MERCHANT_HOUR = 2
    began = timezone.now()
    numbers = itertools.count(1)
    notices = []
    for minutes in (0, 30, 65, 140, 400):
        monkeypatch.setattr("wisepay.clock.now", lambda at=began + timedelta(minutes=minutes): at)
        storm(tenant, 3, begin=next(numbers) * 10)
        notices.append(Notification.objects.filter(event="card_testing").count())
    assert notices == [1, 1, 1, 1, 2]


# ---- a bot, and honest people ----------------------------------------------------------------------


@pytest.mark.thorough
def test_two_thousand_tries_reach_the_gateway_as_often_as_the_settings_allow(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    """Over 60 quotes, 80 networks of both kinds, 6 accounts, charges and both kinds of setups."""
    companies = [f"Client {n}" for n in range(8)]
    quotes = [open_quote(tenant, companies[n % 8]) for n in range(50)]
    networks = [f"203.0.113.{n}" for n in range(40)] + [f"2001:db8:{n % 4:x}:{n:x}::1" for n in range(40)]
    accounts = [tenant.payer(f"bot{n}@example.com", company=companies[n]) for n in range(6)]
    tokens = [tenant.confirmation_token(DECLINED) for _ in range(60)]
    consents = [get_consent_fields(quote.payment) for quote in quotes]
    codes: Counter[int] = Counter()
    for n in range(2000):
        ip, token = networks[(n * 7) % 80], tokens[n % 60]
        if n % 3:
            form = {"amount": 62500, "name": "Bot", "email": f"bot{n % 40}@example.com", "confirmation_token": token}
            answer = Client(REMOTE_ADDR=ip).post(f"{quotes[n % 50].path}/attempts", form | consents[n % 50])
        else:
            account = accounts[n % 6]
            account.defaults["REMOTE_ADDR"] = ip
            answer = add_card(account, tenant, companies[n % 6], token)  # type: ignore[assignment]
        codes[answer.status_code] += 1
    deliver()
    assert count_tries(tenant) <= 50
    assert codes[429] >= 1950
    assert not {code for code in codes if code >= 500}
    tries: list[Any] = [*Attempt.objects.select_related("payment"), *Setup.objects.all()]
    assert max(Counter(t.payment_id for t in tries if t.payment_id).values()) <= 5
    assert max(Counter(t.ip for t in tries if t.ip and ":" not in t.ip).values(), default=0) <= 10
    assert max(Counter((t.ip or "")[:10] for t in tries if ":" in (t.ip or "")).values(), default=0) <= 10
    assert max(Counter(t.payment.company_id if isinstance(t, Attempt) else t.company_id for t in tries).values()) <= 20
    assert Notification.objects.filter(event="card_testing", merchant=tenant.merchant).count() == 1
    assert len([m for m in tenant.mails(tenant.user.email) if "declined" in m["subject"]]) == 1


def test_thirty_honest_payers_behind_one_address_are_never_refused(tenant: Tenant) -> None:
    """45 tries within the hour, 6 of them declined; five payers needed their bank's page."""
    refused, tries = [], 0
    for n in range(30):
        checkouts = [open_quote(tenant, f"Client {n % 10}") for _ in range(2 if n % 3 == 0 else 1)]
        if n % 5 == 0:
            tries += 1
            answer = checkouts[0].pay(DECLINED, email=f"payer{n}@example.com")
            refused.append(read(answer)["status"] != "failed")
        for checkout in checkouts:
            tries += 1
            card = NEEDS_3DS if n % 6 == 1 else GOOD
            body = read(checkout.pay(card, email=f"payer{n}@example.com"))
            if body["status"] == "requires_action":
                answer_three_d_secure(tenant.world, body["client_secret"])
                body = Client().post(body["attempt"]).json()
            refused.append(body["status"] != "succeeded")
    assert tries >= 45
    assert not any(refused)
