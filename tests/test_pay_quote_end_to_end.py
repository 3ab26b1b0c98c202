"""The main flow from end to end: a payer pays a CPQ quote, and it is posted to the ledger."""

import json
from collections.abc import Callable

import requests

from accounting.models import CreditNote, Posting
from tests.tenants import Checkout, Tenant


def list_documents(tenant: Tenant, kind: str) -> list[dict[str, object]]:
    """The documents of one kind in the merchant's organisation."""
    token = tenant.connection.access_token.decrypt()
    headers = {
        "Authorization": f"Bearer {token}",
        "Xero-Tenant-Id": tenant.connection.organisation_id,
        "Accept": "application/json",
    }
    answer = requests.get(f"{tenant.world.url}/xero/api.xro/2.0/{kind}", headers=headers, timeout=10)
    found: list[dict[str, object]] = answer.json()[kind]
    return found


def test_a_guest_pays_and_the_ledger_has_it(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    answer = checkout.pay()
    assert json.loads(answer.content)["status"] == "succeeded"
    assert checkout.payment.state == "succeeded"
    deliver()
    assert tenant.total_charged() == 62500
    assert checkout.quote.state == "paid"
    [invoice], [note] = list_documents(tenant, "Invoices"), list_documents(tenant, "CreditNotes")
    assert (invoice["Status"], invoice["Total"], invoice["AmountDue"]) == ("PAID", 625.0, 0.0)
    assert (note["Status"], note["Total"], note["RemainingCredit"]) == ("AUTHORISED", 625.0, 625.0)
    assert note["TotalTax"] == 0.0
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    assert CreditNote.objects.get().state == "approved"
    mails = tenant.world.get("/mailbox/messages.json").json()["messages"]
    assert {m["to"][0] for m in mails} == {"admin@northwind-it.example", "accounts@harbourdental.example"}
