"""Actions in the practice ledgers, their signed webhooks, and generated states of an invoice for the mirror's tests.

One set of words for every accounting package: those of Xero, and what they are called elsewhere.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import requests
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounting.ledgers.protocol import RemoteApplication, RemoteInvoice
from accounting.mirror.services import schedule_mirror_syncs
from accounting.models import LedgerCredit, LedgerInvoice, MirrorCursor
from sandbox.harness.environment import INTUIT_WEBHOOK_VERIFIER, XERO_WEBHOOK_KEY
from tests.tenants import Tenant, deliver_outbox
from wisepay.money import Money

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


@dataclass(frozen=True)
class AccountingPackage:
    """One accounting package: what it calls things, where its webhooks go, and which calls read lists or changes."""

    journal: str
    control: str
    organisation_field: str
    id_fields: tuple[str, ...]
    webhook: str
    header: str
    setting: str
    key: str
    kinds: dict[str, str]
    build_event: Callable[[str, str, str, datetime], dict[str, Any]]
    build_body: Callable[[list[dict[str, Any]]], Any]
    read_paths: dict[str, str]
    action_names: dict[str, str] = field(default_factory=dict)
    argument_names: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    def translate_arguments(self, act: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters of an action as this package names them."""
        if act == "edit" and self.fields:
            changed = {self.fields[word]: value for word, value in parameters.items() if word in self.fields}
            changed |= {"CustomerMemo": {"value": parameters["reference"]}} if "reference" in parameters else {}
            return {"invoice": parameters["invoice"], "fields": changed}
        return {self.argument_names.get(word, word): value for word, value in parameters.items()}


def build_xero_event(organisation: str, category: str, key: str, at: datetime) -> dict[str, Any]:
    """Xero's event of a change."""
    return {
        "resourceUrl": f"https://api.xero.com/api.xro/2.0/{category}/{key}",
        "resourceId": key,
        "tenantId": organisation,
        "tenantType": "ORGANISATION",
        "eventCategory": category,
        "eventType": "UPDATE",
        "eventDateUtc": f"{at:%Y-%m-%dT%H:%M:%S.%f}"[:-3],
    }


def build_xero_body(events: list[dict[str, Any]]) -> Any:
    """The body of Xero's webhook."""
    sequence = {"firstEventSequence": 1, "lastEventSequence": max(len(events), 1), "entropy": "ABCDEFGHIJKLMNOPQRST"}
    return {"events": events, **sequence}


def build_intuit_event(organisation: str, category: str, key: str, at: datetime) -> dict[str, Any]:
    """Intuit's event of a change, to the nanosecond."""
    return {
        "specversion": "1.0",
        "id": f"{organisation}-{category}-{key}-{at.timestamp()}",
        "source": "intuit.practice",
        "type": f"qbo.{category}.updated.v1",
        "datacontenttype": "application/json",
        "time": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}517Z",
        "intuitentityid": key,
        "intuitaccountid": organisation,
        "data": {},
    }


PACKAGES = {
    "xero": AccountingPackage(
        journal="xero",
        control="/xero/_control",
        organisation_field="organisation",
        id_fields=("InvoiceID", "CreditNoteID", "ContactID"),
        webhook="/webhooks/xero",
        header="x-xero-signature",
        setting="XERO_WEBHOOK_KEY",
        key=XERO_WEBHOOK_KEY,
        kinds={"contacts": "CONTACT", "invoices": "INVOICE", "credits": "CREDITNOTE"},
        build_event=build_xero_event,
        build_body=build_xero_body,
        read_paths={"/Contacts": "contacts", "/Invoices": "invoices", "/CreditNotes": "credits"},
    ),
    "quickbooks": AccountingPackage(
        journal="quickbooks",
        control="/intuit/_control",
        organisation_field="company",
        id_fields=("Id",),
        webhook="/webhooks/intuit",
        header="intuit-signature",
        setting="INTUIT_WEBHOOK_VERIFIER",
        key=INTUIT_WEBHOOK_VERIFIER,
        kinds={"contacts": "customer", "invoices": "invoice", "credits": "creditmemo", "payments": "payment"},
        build_event=build_intuit_event,
        build_body=lambda events: events,
        read_paths={"/cdc": "changes", "/batch": "lists", "/query": "rows"},
        action_names={"make_credit_note": "make_credit_memo", "allocate": "apply", "deallocate": "unapply"},
        argument_names={"credit_note": "credit_memo"},
        fields={"due_date": "DueDate"},
    ),
}


def get_package(tenant: Tenant) -> AccountingPackage:
    """The accounting package of this merchant."""
    return PACKAGES[tenant.connection.provider]


def act_in_ledger(tenant: Tenant, act: str, *, organisation: str = "au", **parameters: Any) -> Any:
    """Do something as the bookkeeper in the practice ledger; answers the written document."""
    books = get_package(tenant)
    name = books.action_names.get(act, act)
    return tenant.world.post(
        books.control, {name: {books.organisation_field: organisation, **books.translate_arguments(act, parameters)}}
    ).get(name)


def make_invoice(
    tenant: Tenant, number: str, amount: str = "100", *, contact: str = "Bayside", **parameters: Any
) -> str:
    """Create an invoice in the ledger; answers its id."""
    return get_document_id(
        tenant, act_in_ledger(tenant, "make_invoice", contact=contact, amount=amount, number=number, **parameters)
    )


def make_credit(tenant: Tenant, number: str, amount: str, *, contact: str = "Bayside", **parameters: Any) -> str:
    """Create a credit note in the ledger; answers its id."""
    return get_document_id(
        tenant, act_in_ledger(tenant, "make_credit_note", contact=contact, amount=amount, number=number, **parameters)
    )


def get_document_id(tenant: Tenant, created: dict[str, Any]) -> str:
    """The id of the written document."""
    return str(next(created[name] for name in get_package(tenant).id_fields if name in created))


def fill_ledger(tenant: Tenant, *, invoices: int, contacts: int = 50) -> None:
    """Fill the ledger with the documents of years."""
    books = get_package(tenant)
    order = {"fill": {books.organisation_field: "au", "invoices": invoices, "contacts": contacts}}
    requests.post(f"{tenant.world.url}{books.control}", json=order, timeout=60).raise_for_status()


def get_time_after(seconds: float) -> datetime:
    """So many seconds from now."""
    return timezone.now() + timedelta(seconds=seconds)


def sync_due(*, at: datetime | None = None) -> None:
    """Read everything that is due."""
    schedule_mirror_syncs(now=at or timezone.now())
    deliver_outbox(at=at)


def poll_everything(*, at: datetime | None = None) -> None:
    """Poll every kind although none is due."""
    MirrorCursor.objects.update(due_at=START)
    sync_due(at=at)


def get_invoice(number: str) -> LedgerInvoice:
    """The mirrored invoice of that number."""
    return LedgerInvoice.objects.get(number=number)


def get_credit(number: str) -> LedgerCredit:
    """The mirrored credit note of that number."""
    return LedgerCredit.objects.get(number=number)


def get_next_index(tenant: Tenant) -> int:
    """The journal's next number."""
    rows = tenant.world.journal(get_package(tenant).journal, bodies=False)
    return int(rows[-1]["index"]) + 1 if rows else 0


def list_read_calls(tenant: Tenant, since: int = 0, *, bodies: bool = True) -> list[dict[str, Any]]:
    """Every call that read a list, what changed, or some documents, each with what that was as `read`."""
    books = get_package(tenant)
    found = []
    for each in tenant.world.journal(books.journal, since, bodies=bodies):
        name = books.read_paths.get("/" + each["path"].rsplit("/", 1)[-1])
        if name and (each["method"] == "GET" or books.journal == "quickbooks"):
            found.append(each | {"read": name})
    return found


def list_read_kinds(tenant: Tenant, since: int = 0) -> list[str]:
    """The kinds that those calls read, in order."""
    return [each["read"] for each in list_read_calls(tenant, since, bodies=False)]


def build_event(tenant: Tenant, kind: str, key: str, *, at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    """The package's event of a change of a document of one of our kinds."""
    books = get_package(tenant)
    found = books.build_event(tenant.connection.organisation_id, books.kinds[kind], key, at or timezone.now())
    return found | changes


@dataclass(frozen=True)
class SignedWebhook:
    """A signed webhook of a package."""

    path: str
    raw: bytes
    headers: dict[str, str]

    def send(self) -> HttpResponse:
        """Deliver the webhook."""
        client = Client(enforce_csrf_checks=True)
        answer = client.post(self.path, self.raw, content_type="application/json", headers=self.headers)
        assert isinstance(answer, HttpResponse)
        return answer


def sign_webhook(
    tenant: Tenant, *events: dict[str, Any], key: str | None = None, body: str | None = None
) -> SignedWebhook:
    """A webhook of these events, signed with the package's key or another one."""
    books = get_package(tenant)
    raw = (body if body is not None else json.dumps(books.build_body(list(events)))).encode()
    mac = hmac.new((books.key if key is None else key).encode(), raw, hashlib.sha256)
    return SignedWebhook(books.webhook, raw, {books.header: base64.b64encode(mac.digest()).decode()})


def send_webhook(
    tenant: Tenant, *events: dict[str, Any], key: str | None = None, body: str | None = None
) -> HttpResponse:
    """Deliver a webhook of these events."""
    return sign_webhook(tenant, *events, key=key, body=body).send()


def build_invoice_version(key: str, version: int, *, total: int = 10_000) -> RemoteInvoice:
    """The `version`-th state of an invoice: draft, open, part paid, paid, open again, void."""
    paid = (0, 0, 4_000, total, 4_000, 0)[version]
    status: Any = ("draft", "open", "open", "paid", "open", "voided")[version]
    money = [RemoteApplication("payment", f"{key}-p{n}", f"{key}-p{n}", "", Money(part, "AUD"), date(2026, 3, n + 1))
             for n, part in enumerate((4_000, total - 4_000)) if paid >= (4_000, total)[n]]  # fmt: skip
    return RemoteInvoice(
        id=key,
        number=f"INV-{key}",
        remark="",
        contact_id="contact",
        status=status,
        total=Money(total, "AUD"),
        due=Money(0 if status == "voided" else total - paid, "AUD"),
        issued_on=date(2026, 3, 1),
        due_on=date(2026, 3, 15),
        term_id="",
        changed_at=START + timedelta(minutes=version),
        applied=tuple(money),
    )
