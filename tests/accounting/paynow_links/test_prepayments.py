"""Prepayments by Quick Link: what fits no invoice is paid under its reference, where the merchant wants that.

"No matching invoice" is a prepayment in Wise-Pay's Virtual Terminal (merchantadmin.wise-pay.com, 36000138970).
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounting.models import CreditNote
from merchants.models import PayNowLink
from payers.models import PayerCompany
from payments.models import Payment
from tests.accounting.paynow_links.steps import MAIL, QUICK, get_active_link, get_key_path, get_text
from tests.payments.consent_form import get_consent_fields
from tests.tenants import Tenant

FORM = {"reference": "PO 7781", "company": "New Dental Ltd", "currency": "AUD", "amount": "80.00"}


@pytest.fixture
def path(tenant: Tenant) -> str:
    """The Quick Link of a merchant who takes prepayments."""
    PayNowLink.objects.filter(pk=get_active_link(tenant, QUICK).pk).update(takes_prepayments=True)
    return get_key_path(tenant, QUICK)


def pay(tenant: Tenant, payment: Payment) -> Any:
    """Press Pay as a guest."""
    who = {"name": "Ada Payer", "email": "ada@newdental.example", "phone": "", "amount": payment.amount}
    token = {"confirmation_token": tenant.confirmation_token("4242424242424242")}
    return Client().post(f"/pay/{payment.reference}/attempts", who | token | get_consent_fields(payment))


def test_what_fits_no_invoice_is_paid_under_its_reference(
    tenant: Tenant, path: str, deliver: Callable[..., int]
) -> None:
    offered = Client().post(path, {"invoice": "PO 7781", "amount": "80.00"})
    assert "Or pay it in advance" in get_text(offered)
    answer = Client().post(f"{path}/prepayments", FORM)
    payment = Payment.objects.get()
    assert answer["Location"] == f"/pay/{payment.reference}/guest"
    assert (payment.origin, payment.purpose, payment.methods) == ("prepayment", "Prepayment PO 7781", ["card"])
    assert "Prepayment PO 7781" in get_text(Client().get(answer["Location"]))
    assert pay(tenant, payment).json()["status"] == "succeeded"
    deliver()
    note = CreditNote.objects.get()
    assert (note.state, note.amount, note.payment.company.name) == ("approved", 8000, "New Dental Ltd")
    shown = tenant.admin.get(tenant.url(f"payments/{payment.reference}"))
    assert shown.status_code == 200


def test_it_is_offered_only_where_the_merchant_takes_it(tenant: Tenant) -> None:
    for kind in (QUICK, MAIL):
        path = get_key_path(tenant, kind)
        assert "in advance" not in get_text(Client().post(path, {"invoice": "PO 7781", "amount": "80.00"}))
        assert Client().post(f"{path}/prepayments", FORM).status_code == 404
    PayNowLink.objects.update(takes_prepayments=True)
    assert Client().post(f"{get_key_path(tenant, MAIL)}/prepayments", FORM).status_code == 404
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"company": ""},
        {"reference": ""},
        {"reference": "x" * 61},
        {"currency": "XXX"},
        {"currency": ""},
        {"amount": ""},
        {"amount": "0.10"},
        {"amount": "-5"},
        {"amount": "many"},
    ],
)
def test_a_prepayment_that_makes_no_sense_is_refused_in_its_place(path: str, wrong: dict[str, str]) -> None:
    answer = Client().post(f"{path}/prepayments", FORM | wrong)
    assert (answer.status_code, 'class="errorlist"' in answer.content.decode()) == (422, True)
    assert not PayerCompany.objects.filter(name="New Dental Ltd").exists()


def test_a_prepayment_ends_with_its_link(tenant: Tenant, path: str) -> None:
    Client().post(f"{path}/prepayments", FORM)
    PayNowLink.objects.update(is_enabled=False)
    refused = pay(tenant, Payment.objects.get())
    assert (refused.status_code, refused.json()["code"]) == (409, "merchant_not_ready")
