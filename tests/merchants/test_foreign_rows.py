"""Every page that names a thing, with real things of another tenant: whoever they are not for finds nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounting.models import AutoPayMapping, CreditMatch, CreditNote, ManualTask, Posting, ScheduledPayment
from accounting.models.reconciliation import Acknowledgement
from merchants.member_invitations import invite_member
from merchants.models import MemberInvitation, Membership, Notification
from merchants.rights import Right
from payers.company_access import remove_access
from payers.models import PayerAccess, TermsAcceptance
from payments.models import Attempt, Payout, Refund, SavedMethod, Setup
from psa.agreements.models import PsaAgreement
from psa.invoice_sync.models import InvoiceSync
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.merchants.page_cases import CASES, PAYERS
from tests.merchants.test_access import GATED, Page
from tests.payments.checkout.test_registrations import build_form, register
from tests.psa.scene import create_unclear_invoice, create_undecided_payment
from tests.quotes.api_helpers import create_mismatch
from tests.tenants import PASSWORD, Checkout, Tenant, get_role, give_role
from wisepay.models import User

# Which thing a path of this name is about, where the argument's name alone does not say it.
THINGS = {
    "merchants:read_notification": {"pk": "notification"},
    "merchants:end_sessions": {"user_ref": "member"},
    "merchants:save_member": {"user_ref": "member"},
    "merchants:remove_member": {"user_ref": "member"},
    "merchants:terms_kind": {"kind": "kind"},
    "connections:choose": {"reference": "nothing"},
    "accounting:finish_task": {"reference": "task"},
    "accounting:reopen_task": {"reference": "task"},
    "accounting:decide": {"reference": "invoice_task"},
    "accounting:decide_credit": {"reference": "match"},
    "accounting:invoice_credits": {"reference": "invoice"},
    "accounting:use_credit": {"reference": "invoice"},
    "payer_books:pay_invoice": {"reference": "invoice"},
    "payer_books:print_pdf": {"reference": "invoice"},
    "psa:payment": {"reference": "psa_payment"},
    "psa:decide": {"reference": "psa_payment"},
    "psa:join_invoice": {"invoice_id": "psa_invoice"},
    "psa:agreement": {"reference": "psa_agreement"},
    "psa:decide_agreement": {"reference": "psa_agreement"},
    "psa:invoice_sync_run": {"reference": "invoice_sync"},
    "psa:decide_invoice_sync": {"reference": "invoice_sync"},
}
# These have nothing that is somebody's: a kind of terms, a day, a tier, a mode, a list and the format of its file, a
# flow that lives a minute. Whose rows a list and its files hold is asked in tests/merchants/test_lists.py.
NOBODYS = {"kind", "day", "tier", "mode", "list_name", "format_name", "nothing", "merchant_ref"}


class ForeignThings:
    """One of each thing of a merchant that a path can name."""

    def __init__(self, tenant: Tenant, checkout: Checkout) -> None:
        self.tenant, self.now = tenant, timezone.now()
        self.autopay = AutoPayBuilder(tenant)
        self.access = tenant.access(PAYER)
        assert checkout.pay().status_code == 200
        self.attempt = Attempt.objects.select_related("payment", "account").get()
        Attempt.objects.update(user=self.access.user)
        self.at = {"state_at": self.now}
        self.build_accounting()

    def build_accounting(self) -> None:
        """The rows of accounting: an invoice, what is scheduled of it, tasks, a credit and what it belongs to."""
        tenant, payment = self.tenant, self.attempt.payment
        self.card = self.autopay.save_card()
        self.invoice = self.autopay.create_invoice()
        self.mapping = self.autopay.create_mapping(self.card, origin="payer")
        self.autopay.plan()
        self.scheduled = ScheduledPayment.objects.get()
        self.proposed = AutoPayMapping.objects.create(
            merchant=tenant.merchant, company=self.autopay.company, primary_method=self.card, origin="quote",
            state="proposed", quote_payment=payment, **self.at,
        )  # fmt: skip
        note = CreditNote.objects.filter(payment=payment).first() or CreditNote.objects.create(
            merchant=tenant.merchant, payment=payment, attempt=self.attempt, number="PF_CR-1", amount=500,
            currency="AUD", state="approved", **self.at,
        )  # fmt: skip
        self.match = CreditMatch.objects.create(
            merchant=tenant.merchant, note=note, invoice=self.invoice, amount=100, confidence=50, state="proposed",
            **self.at,
        )  # fmt: skip
        self.task, self.invoice_task = self.create_task("number-1"), self.create_task("number-2")
        ManualTask.objects.filter(pk=self.invoice_task.pk).update(kind=Posting.Kind.INVOICE_PAYMENT)

    def invite(self) -> MemberInvitation:
        """Somebody whom the merchant invited."""
        role = get_role(self.tenant.merchant, "reader")
        return invite_member(
            self.tenant.merchant, email="new@northwind-it.example", role=role, by=self.tenant.user, now=self.now
        )

    def create_task(self, number: str) -> ManualTask:
        """A task for a bookkeeper."""
        about = {"merchant": self.tenant.merchant, "company": self.attempt.payment.company}
        kind = Posting.Kind.INVOICE
        posting = Posting.objects.create(
            kind=kind, number=number, state="rejected", payment=self.attempt.payment, attempt=self.attempt,
            amount=100, on=self.now.date(), **about, **self.at,
        )  # fmt: skip
        return ManualTask.objects.create(
            posting=posting, payment=self.attempt.payment, kind=kind, title="Void it", state="open", **about, **self.at
        )

    def values(self) -> dict[str, str]:
        """The thing's name in a path, by what the path calls it."""
        tenant, access, payment = self.tenant, self.access, self.attempt.payment
        key = {"idempotency_key": "foreign", **self.at}
        Refund.objects.create(payment=payment, attempt=self.attempt, amount=100, state="succeeded", **key)
        setup = Setup.objects.create(
            account=self.attempt.account, company=access.company, user=access.user, state="succeeded",
            payer_name="Ada", payer_email=PAYER, **key,
        )  # fmt: skip
        notification = Notification.objects.create(
            user=tenant.user, merchant=tenant.merchant, key="foreign", event="payer_registered", title="x", path="/"
        )
        payout = Payout.objects.create(
            account=self.attempt.account, stripe_payout_id="po_foreign", amount=100, currency="AUD", status="paid",
            arrives_on=self.now.date(), created_at=self.now,
        )  # fmt: skip
        known = Acknowledgement.objects.create(
            merchant=tenant.merchant, content_hash="c", identity_hash="i", kind="missing", description="x", amount=1,
            on=self.now.date(), reason="known", acknowledged_by=tenant.user, acknowledged_at=self.now,
        )  # fmt: skip
        keys = dict.fromkeys(("publishable_key", "secret_key", "webhook_secret"), "pk_test_other0account")
        account = tenant.merchant.gateway_accounts.create(stripe_account_id="acct_foreign", **keys)
        return {
            "account_id": account.stripe_account_id,
            "mode": account.mode,
            "merchant_ref": tenant.merchant.reference,
            "reference": payment.reference,
            "payment_ref": payment.reference,
            "company_ref": access.company.reference,
            "user_ref": access.user.reference,
            "access_ref": access.reference,
            "method_ref": self.card.reference,
            "setup_ref": setup.reference,
            "mapping_ref": self.mapping.reference,
            "scheduled_ref": self.scheduled.reference,
            "term_ref": self.autopay.term.reference,
            "mismatch_ref": create_mismatch(access.company).reference,
            "payout_id": payout.stripe_payout_id,
            "acknowledgement_ref": known.reference,
            "notification": str(notification.pk),
            "member": tenant.user.reference,
            "task": self.task.reference,
            "invoice_task": self.invoice_task.reference,
            "match": self.match.reference,
            "invoice": self.invoice.reference,
            **{"kind": "payment", "tier": "wise_pay", "day": self.now.date().isoformat()},
            "nothing": "none0such0thing0here",
            **self.build_psa_values(),
            **self.build_people_values(),
        }

    def build_people_values(self) -> dict[str, str]:
        """The same of the merchant's people."""
        role = get_role(self.tenant.merchant, "books people")
        return {"role_ref": role.reference, "invitation_ref": self.invite().reference}

    def build_psa_values(self) -> dict[str, str]:
        """The same of what is about ConnectWise PSA."""
        merchant = self.tenant.merchant
        invoice = create_unclear_invoice(merchant, self.invoice.number)
        payment = create_undecided_payment(self.attempt)
        agreement = PsaAgreement.objects.create(
            merchant=merchant, organisation_id="na|northwind", agreement_id=7, name="Support",
            psa_company_id=3, read_at=self.now, state="open", state_at=self.now,
        )  # fmt: skip
        sync = InvoiceSync.objects.create(merchant=merchant, since=self.now.date(), state="ready", state_at=self.now)
        return {
            "psa_payment": payment.reference,
            "psa_invoice": str(invoice.invoice_id),
            "psa_agreement": agreement.reference,
            "invoice_sync": sync.reference,
        }


def get_things(page: Page) -> dict[str, str]:
    """What each argument of the page names."""
    names = THINGS.get(page.name, {})
    return {argument: names.get(argument, argument) for argument in page.arguments}


NAMING = [page for page in GATED if set(get_things(page).values()) - NOBODYS]


def build_path(page: Page, values: dict[str, str], **own: str) -> str:
    """The path of the page about these."""
    return reverse(page.name, kwargs={argument: (values | own)[thing] for argument, thing in get_things(page).items()})


def be_nobody(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("nobody@example.com", PASSWORD))
    return client


def have_the_link(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    client = Client()
    assert client.get(checkout.path).status_code == 200
    return client


def register_without_proof(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    client = Client()
    opened = things.tenant.open_checkout()
    register(opened, client, PAYER)
    assert client.post(f"{opened.path}/attempts", build_form(opened)).json()["status"] == "succeeded"
    return client


def be_removed(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    access = things.tenant.access("gone@harbourdental.example")
    with transaction.atomic():
        remove_access(access, by=things.tenant.user, now=timezone.now())
    client = Client()
    client.force_login(access.user)
    return client


def pay_elsewhere(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    return stranger.payer("pay@other-it.example", company="Their Company")


def pay_for_another_company(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    return things.tenant.payer("pay@seaview.example", company="Seaview Optical")


def pay_for_oneself_alone(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    return things.tenant.payer("clerk@harbourdental.example", scope="own")


def be_invited_only(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    return things.tenant.payer("invited@harbourdental.example", state="pending")


def work_elsewhere(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    return stranger.admin


def use_elsewhere(things: ForeignThings, stranger: Tenant, checkout: Checkout) -> Client:
    give_role(stranger.merchant, "user")
    return stranger.admin


OUTSIDERS: dict[str, Callable[[ForeignThings, Tenant, Checkout], Client]] = {
    "somebody who belongs nowhere": be_nobody,
    "a stranger with the link": have_the_link,
    "a registrant without proof": register_without_proof,
    "a removed person": be_removed,
    "a payer of another merchant": pay_elsewhere,
    "a payer of another company": pay_for_another_company,
    "a colleague who sees their own payments": pay_for_oneself_alone,
    "a colleague who has not accepted": be_invited_only,
    "an admin of another merchant": work_elsewhere,
    "a user of another merchant": use_elsewhere,
}


def snapshot(things: ForeignThings) -> list[Any]:
    """The state of everything that the paths name."""
    rows = [things.access, things.card, things.mapping, things.proposed, things.scheduled, things.match, things.task]
    states = [type(row)._base_manager.get(pk=row.pk).state for row in rows]
    shared = SavedMethod.objects.filter(pk=things.card.pk).values_list("is_shared", "is_default")
    scope = PayerAccess.objects.filter(pk=things.access.pk).values_list("scope", "company__name", "company__contact_id")
    refunds = Refund.objects.filter(payment=things.attempt.payment).count()
    people = Membership.objects.filter(merchant=things.tenant.merchant).values_list("user", "role")
    setups = Setup.objects.order_by("pk").values_list("pk", "state")
    invited = MemberInvitation.objects.order_by("pk").values_list("withdrawn_at", "serial")
    read = Notification.objects.order_by("pk").values_list("pk", "read_at")
    accepted = TermsAcceptance.objects.count(), AutoPayMapping.objects.count(), PayerAccess.objects.count()
    known = Acknowledgement.objects.count(), Payout.objects.order_by("pk").values_list("status", flat=True)[0]
    about = [list(shared), list(scope), refunds, list(setups), list(read), accepted, known, list(invited)]
    return [states, about, things.tenant.connection.state, list(people)]


def test_every_page_that_names_a_thing_has_a_real_one() -> None:
    assert len(NAMING) >= 45
    assert set(THINGS) <= {page.name for page in GATED}


@pytest.mark.parametrize("role", OUTSIDERS)
def test_nobody_outside_reaches_a_real_thing(tenant: Tenant, stranger: Tenant, checkout: Checkout, role: str) -> None:
    things = ForeignThings(tenant, checkout)
    values = things.values()
    client = OUTSIDERS[role](things, stranger, checkout)
    before = snapshot(things)
    for page in NAMING:
        for own in ({}, {"merchant_ref": stranger.merchant.reference}):
            for method in ("get", "post"):
                answer = getattr(client, method)(build_path(page, values, **own), {"answer": "accept", "shared": "1"})
                text = answer.getvalue().decode(errors="replace")
                assert answer.status_code in (302, 403, 404, 405, 409, 422, 400) or "quotes:" in page.name, page.name
                if answer.status_code == 302:
                    assert answer["Location"].startswith(("/accounts/login/", "/welcome/")), (page.name, method)
                assert "Northwind" not in text, page.name
                assert "Harbour Dental" not in text, page.name
    assert snapshot(things) == before


def test_those_whose_things_they_are_find_them(tenant: Tenant, checkout: Checkout) -> None:
    things = ForeignThings(tenant, checkout)
    values = things.values()
    payer = Client()
    payer.force_login(things.access.user)
    opened = set()
    for page in NAMING:
        client = payer if CASES[page.name][1] == PAYERS else tenant.admin
        if CASES[page.name][0] == "get":
            status = client.get(build_path(page, values)).status_code
            assert status in (200, 302, 503), (page.name, status)
            opened.add(page.name)
    assert {"reconciliation:payout", "payments:receipt", "autopay:detail", "payer_books:pay_invoice"} <= opened


def test_a_user_of_the_merchant_changes_nothing_that_an_admin_must(tenant: Tenant, checkout: Checkout) -> None:
    things = ForeignThings(tenant, checkout)
    values = things.values()
    give_role(tenant.merchant, "user")
    before = snapshot(things)
    for page in NAMING:
        who = CASES[page.name][1]
        if {Right.SEE, Right.EVERYDAY} & set(who):
            continue
        status = tenant.admin.post(build_path(page, values), {"answer": "accept", "scope": "own"}).status_code
        assert status in ((404, 405) if who == PAYERS else (403, 405)), page.name
    assert snapshot(things) == before
    add = {"q": "Harbour Dental Pty Ltd", "email": "mine@example.com", "name": "Me", "contact_id": ""}
    assert tenant.admin.post(tenant.url("payers/add"), add).status_code == 403
    give_role(tenant.merchant, "user who adds payers")
    assert tenant.admin.post(tenant.url("payers/add"), add).status_code == 302
    own = tenant.admin.post(tenant.url("payers/add"), add | {"email": tenant.user.email})
    assert (own.status_code, "can&#x27;t be a payer of its clients" in own.content.decode()) == (422, True)


def test_a_link_opens_its_own_payment_and_no_other_ones_attempts(tenant: Tenant, checkout: Checkout) -> None:
    things = ForeignThings(tenant, checkout)
    things.values()
    setup, other = Setup.objects.latest("pk"), tenant.open_checkout()
    for kind, operation in (("attempts", things.attempt), ("setups", setup)):
        for act in ("check", "stop"):
            path = f"{other.path}/{kind}/{operation.reference}/{act}"
            assert Client().post(path).status_code == 404, path
