"""A person gets everything that is stored about them, and nothing of them is left when they are erased."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from merchants.models import Membership, Notification
from payers.models import Payer, PayerAccess, TermsAcceptance
from payers.personal_data import delete_unproved_people
from payments.models import Attempt, Payment, SavedMethod
from payments.personal_data import forget_old_devices
from quotes.models import Quote
from tests.sign_in_steps import enrol_authenticator
from tests.tenants import PASSWORD, Checkout, Tenant, get_role
from wisepay import clock
from wisepay.audit import record_audit_entry
from wisepay.audit_log.sealing import seal_entries
from wisepay.audit_log.verification import verify_audit_log
from wisepay.models import User
from wisepay.personal_data.erasure import ErasureRefused, erase_person
from wisepay.personal_data.export import export_person
from wisepay.personal_data.registry import PERSONAL_DATA, find_subject

EMAIL, NAME, PHONE = "zoe.quill@harbourdental.example", "Zoe Quillfeather", "+61 2 5550 1234"


@pytest.fixture
def zoe(tenant: Tenant, checkout: Checkout) -> User:
    """A payer with something in every table that a payer reaches through the pages."""
    person = tenant.access(EMAIL).user
    User.objects.filter(pk=person.pk).update(name=NAME)
    person.refresh_from_db()
    Payer.objects.filter(user=person).update(phone=PHONE, job_title="Bursar", address={"line1": "9 Quillfeather Rd"})
    EmailAddress.objects.create(user=person, email=EMAIL, primary=True, verified=True)
    enrol_authenticator(person)
    client = Client(REMOTE_ADDR="203.0.113.77", headers={"User-Agent": "Quillfeather/1.0"})
    client.force_login(person)
    checkout.pay(client=client, name=NAME, email=EMAIL, phone=PHONE)
    tenant.open_checkout(customer={"email": EMAIL, "contact_name": NAME, "phone": PHONE})
    record_audit_entry(
        "payer.tested", merchant_id=tenant.merchant.pk, user=person, ip="203.0.113.77", subject=EMAIL, about=person
    )
    Notification.objects.create(
        merchant=tenant.merchant,
        user=tenant.user,
        key="zoe",
        event="payer_registered",
        title="New",
        body=f"{EMAIL} came",
    )
    return person


def list_texts() -> Iterator[tuple[str, str]]:
    """Every row of every table of ours as text, with the table's name."""
    for model in apps.get_models():
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            for (text,) in cursor.fetchall():
                yield table, text


def find_traces(*needles: str) -> set[str]:
    """The tables in which one of these words still stands."""
    return {table for table, text in list_texts() if any(needle.lower() in text.lower() for needle in needles)}


def export(email: str = EMAIL) -> dict[str, Any]:
    """As the command prints it."""
    said = StringIO()
    call_command("export_person", email, stdout=said)
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def test_the_export_has_every_table_with_traces_and_no_secret(zoe: User, tenant: Tenant) -> None:
    found = export()
    assert {"wisepay.User", "payers.Payer", "payers.PayerAccess", "payments.Attempt", "quotes.Quote"} <= set(
        found["tables"]
    )
    tables = {apps.get_model(label)._meta.db_table for label in found["tables"]}
    assert find_traces(EMAIL, "Quillfeather") <= tables
    text = json.dumps(found)
    assert NAME in text
    assert PHONE in text
    assert zoe.password not in text
    assert '"data"' not in text
    assert all(table["why"] for table in found["tables"].values())


def test_the_export_says_what_was_agreed_to_and_with_whom(zoe: User) -> None:
    [row] = export()["tables"]["payers.TermsAcceptance"]["rows"]
    assert (row["terms__kind"], row["terms__version"], row["company__merchant__name"]) == ("payment", 1, "Northwind IT")
    assert "A$625.00" in row["shown"]
    assert "{merchant}" in row["terms__text"]


def test_the_export_has_nothing_of_others(zoe: User, tenant: Tenant) -> None:
    tenant.access("other@harbourdental.example")
    assert "other@harbourdental.example" not in json.dumps(export())


def test_nothing_of_an_erased_person_is_left(zoe: User, tenant: Tenant, checkout: Checkout) -> None:
    with pytest.raises(CommandError, match="cannot be undone"):
        call_command("erase_person", EMAIL)
    call_command("erase_person", EMAIL, "--yes", stdout=StringIO())
    assert find_traces(EMAIL, "quillfeather", "5550 1234", "Bursar", "203.0.113.77") == set()
    zoe.refresh_from_db()
    assert not zoe.is_active
    assert zoe.email == f"erased-{zoe.reference}@erased.invalid"
    assert not PayerAccess.objects.filter(user=zoe).exists()


def test_money_and_proof_stay_under_a_pseudonym(zoe: User, tenant: Tenant, checkout: Checkout) -> None:
    before = list(Payment.objects.order_by("pk").values("amount", "paid_amount", "state", "reference"))
    acceptances = TermsAcceptance.objects.count()
    erase_person(find_subject(EMAIL))
    assert list(Payment.objects.order_by("pk").values("amount", "paid_amount", "state", "reference")) == before
    [attempt] = checkout.attempts
    assert attempt.state == "succeeded"
    assert attempt.payer_email == f"erased-{zoe.reference}@erased.invalid"
    assert (attempt.payer_name, attempt.payer_phone, attempt.user_agent) == ("", "", "")
    assert attempt.ip == "203.0.113.0"
    assert TermsAcceptance.objects.count() == acceptances
    assert Quote.objects.filter(customer__account_name="Harbour Dental Pty Ltd").count() == 2


def test_the_audit_log_stays_verifiable(zoe: User, tenant: Tenant) -> None:
    seal_entries(now=clock.now())
    erase_person(find_subject(EMAIL))
    seal_entries(now=clock.now())
    assert list(verify_audit_log(now=clock.now())) == []


def test_erasing_twice_changes_nothing(zoe: User) -> None:
    erase_person(find_subject(EMAIL))
    before = sorted(list_texts())
    erase_person(find_subject(EMAIL))
    assert sorted(list_texts()) == before


def test_the_same_address_makes_a_new_person_afterwards(zoe: User, tenant: Tenant) -> None:
    erase_person(find_subject(EMAIL))
    fresh = tenant.access(EMAIL).user
    assert fresh.pk != zoe.pk


def test_a_guest_is_exported_and_erased_by_the_address(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay(name=NAME, email=EMAIL, phone=PHONE)
    assert "payments.Attempt" in export()["tables"]
    erase_person(find_subject(EMAIL))
    assert find_traces(EMAIL, "quillfeather", "5550 1234") == set()
    with pytest.raises(CommandError, match="nothing is stored"):
        export("erased-nobody@example.com")


def test_what_is_still_on_its_way_stands_in_the_way(zoe: User, tenant: Tenant, checkout: Checkout) -> None:
    Attempt.objects.update(state="processing")
    with pytest.raises(ErasureRefused, match="on its way"):
        erase_person(find_subject(EMAIL))
    Attempt.objects.update(state="succeeded")
    method = SavedMethod.objects.create(
        account=tenant.merchant.gateway_account,
        company=tenant.company(),
        owner=zoe,
        stripe_customer_id="cus_zoe",
        stripe_payment_method_id="pm_zoe",
        kind="card",
        state="active",
        state_at=clock.now(),
    )
    with pytest.raises(ErasureRefused, match="Remove them first"):
        erase_person(find_subject(EMAIL))
    SavedMethod.objects.filter(pk=method.pk).update(state="removed")
    Membership.objects.create(merchant=tenant.merchant, user=zoe, role=get_role(tenant.merchant, "user"))
    with pytest.raises(ErasureRefused, match="You work for"):
        erase_person(find_subject(EMAIL))
    assert User.objects.get(pk=zoe.pk).email == EMAIL


def reauthenticate(client: Client) -> None:
    """The password once more."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})


@pytest.fixture
def browser(zoe: User) -> Client:
    """Zoe's browser, signed in with the password alone."""
    Authenticator.objects.filter(user=zoe).delete()
    client = Client()
    client.force_login(zoe)
    return client


def test_a_payer_downloads_their_data_after_the_password(browser: Client) -> None:
    assert browser.post("/my/data/download")["Location"].startswith("/accounts/reauthenticate/")
    reauthenticate(browser)
    answer = browser.post("/my/data/download")
    assert answer["Content-Disposition"].startswith("attachment")
    assert NAME in json.dumps(answer.json(), ensure_ascii=False)


def test_a_payer_erases_themselves_after_the_password_and_a_tick(browser: Client, zoe: User) -> None:
    assert browser.post("/my/data/erase", {"confirm": "on"})["Location"].startswith("/accounts/reauthenticate/")
    reauthenticate(browser)
    assert browser.post("/my/data/erase").status_code == 422
    assert browser.post("/my/data/erase", {"confirm": "on"})["Location"] == "/accounts/login/"
    assert find_traces(EMAIL, "quillfeather", "5550 1234") == set()
    assert browser.get("/my/")["Location"].startswith("/accounts/login/")


def test_nobody_downloads_or_erases_for_a_payer_they_see_as(zoe: User, tenant: Tenant) -> None:
    access = PayerAccess.objects.get(user=zoe)
    tenant.admin.post(tenant.url(f"payers/see/{access.reference}"), {"reason": "A question about a receipt"})
    for path in ("/my/data/download", "/my/data/erase"):
        assert tenant.admin.post(path, {"confirm": "on"}).status_code == 403
    assert EMAIL not in tenant.admin.get("/my/data").content.decode().partition("<main")[2]


def test_what_nobody_answered_goes_after_the_merchants_days(tenant: Tenant) -> None:
    waiting = tenant.access("typed@nowhere.example", company="Somewhere", state="pending")
    tenant.access("real@harbourdental.example")
    tenant.merchant.keeps_unproved_days = 10
    tenant.merchant.save()
    now = clock.now()
    assert delete_unproved_people(now=now + timedelta(days=9)) == 0
    assert delete_unproved_people(now=now + timedelta(days=11)) == 1
    assert not PayerAccess.objects.filter(pk=waiting.pk).exists()
    assert find_traces("typed@nowhere.example") == set()
    assert User.objects.filter(email="real@harbourdental.example", is_active=True).exists()


def test_from_where_a_payment_came_is_forgotten_after_the_merchants_months(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay(client=Client(REMOTE_ADDR="203.0.113.77"))
    now = clock.now()
    assert forget_old_devices(now=now + timedelta(days=700)) == 0
    assert forget_old_devices(now=now + timedelta(days=730)) == 1
    [attempt] = checkout.attempts
    assert (attempt.ip, attempt.user_agent) == ("203.0.113.0", "")
    assert forget_old_devices(now=now + timedelta(days=800)) == 0


def test_a_table_without_rows_about_a_stranger_stays_out_of_the_export(db: None) -> None:
    found = export_person(find_subject("nobody@example.com"), now=clock.now())
    assert found["tables"] == {}
    assert PERSONAL_DATA
