"""What clients do with PayNow Links: open one of each kind, read its page, and pay as a guest."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounting.models import LedgerInvoice
from merchants.models import PayNowLink
from merchants.paynow_links import build_event_url
from payments.models import Payment
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.tenants import Tenant

EVENT, XERO, MAIL, PORTAL, QUICK = (str(kind) for kind in PayNowLink.Kind.values)
BY_NUMBER = (XERO, MAIL, PORTAL, QUICK)


def get_active_link(tenant: Tenant, kind: str) -> PayNowLink:
    """The merchant's present link of a kind."""
    return PayNowLink.objects.select_related("merchant", "acts_as").get(
        merchant=tenant.merchant, kind=kind, is_active=True
    )


def get_key_path(tenant: Tenant, kind: str) -> str:
    """The path of a link whose key stands in it."""
    return f"/l/{get_active_link(tenant, kind).api_key.decrypt()}"


def get_event_path(invoice: LedgerInvoice, *, subject: str = "i", reference: str = "", days_ago: int = 0) -> str:
    """The path of the personal link of an invoice, or of a payment, in a mail that was sent so many days ago."""
    url = build_event_url(
        invoice.merchant,
        subject=subject,
        reference=reference or invoice.reference,
        otherwise="",
        now=timezone.now() - timedelta(days=days_ago),
    )
    return "/i/" + url.partition("/i/")[2]


def age_reading(invoice: LedgerInvoice, *, seconds: int = 60) -> None:
    """Let the mirror's reading of an invoice be older than one that need not be repeated."""
    read_at = timezone.now() - timedelta(seconds=seconds)
    LedgerInvoice.objects.filter(pk=invoice.pk).update(read_at=read_at)


def get_text(answer: Any) -> str:
    """What a person reads of a page."""
    found = re.sub(r"<(script|style|title)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found)).split())


@dataclass
class Guest:
    """Somebody without an account, with a browser of their own."""

    billing: InvoiceScenario
    client: Client = field(default_factory=Client)

    def open(self, kind: str, invoice: LedgerInvoice, amount: str = "") -> str:
        """Follow a link of this kind to the page of an invoice; its path."""
        if kind == EVENT:
            return get_event_path(invoice)
        path, typed = get_key_path(self.billing.tenant, kind), amount or invoice.money.plain
        query = {"invoice": invoice.number, "amount": typed}
        # The Quick Link is typed; every other kind has both in its address.
        answer = self.client.post(path, query) if kind == QUICK else self.client.get(f"{path}?{urlencode(query)}")
        assert answer.status_code == 303, get_text(answer)
        return str(answer["Location"]).partition("?")[0]

    def read(self, path: str) -> str:
        """The text of a page that can be opened."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.content.decode()[-2000:]
        return get_text(answer)

    def submit(self, path: str, amount: str, *, shown: int, **more: str) -> HttpResponse:
        """Press Continue as guest."""
        form = {"amount": amount, "shown": shown, "way": "guest"} | more
        answer = self.client.post(path, form)
        assert isinstance(answer, HttpResponse)
        return answer

    def start(self, path: str, amount: str, *, shown: int = 0, **more: str) -> Payment:
        """Press Continue as guest, which leads to the card."""
        cents = shown or int(amount.replace(".", ""))
        answer = self.submit(path, amount, shown=cents, **more)
        assert answer.status_code == 302, get_text(answer)
        assert str(answer["Location"]).endswith("/guest")
        return self.billing.get_payment_by_path(str(answer["Location"]))

    def pay(self, payment: Payment, card: str = "4242424242424242") -> dict[str, Any]:
        """Press Pay; what the page's script is answered."""
        return self.billing.pay(payment, card, client=self.client)


Change = Callable[[InvoiceScenario, LedgerInvoice], None]
