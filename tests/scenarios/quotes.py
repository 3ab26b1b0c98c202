"""Scenarios of quotes: opened by CPQ, paid, posted to the ledger, and reported to CPQ."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

from django.test import Client
from django.utils import timezone

from accounting.models import CreditNote, Posting
from quotes.cpq_connections import open_client
from quotes.models import Callback, CpqConnection, CpqNote, PayLinkMail, Quote
from quotes.polls import poll_connections
from tests.quotes.link_helpers import LinkedQuote, connect_cpq
from tests.scenarios.base import SECURE_CARD, Scenario, list_documents
from tests.scenarios.interruptions import PARTS
from tests.tenants import BODY, Checkout, merge_body
from wisepay.models import OutboxMessage


class QuoteScenario(Scenario):
    """One quote on its way from CPQ to the ledger."""

    parts = PARTS
    changes: ClassVar[dict[str, Any]] = {}

    def set_up(self) -> None:
        own = {
            "quote": {"id": f"guid-{self.number}", "number": self.number},
            "customer": {"account_name": f"Harbour Dental {self.number}"},
            "callback_url": f"{self.cpq.url}/callback",
        }
        self.body = merge_body(merge_body(BODY, self.changes), own)
        self.checkout: Checkout | None = None

    @property
    def steps(self) -> list[Callable[[], None]]:
        """The flow, in order."""
        return [
            self.open,
            self.pay,
            self.authenticate,
            self.check,
            self.send_webhooks,
            self.run_worker,
            self.return_to_quote,
        ]

    def open(self) -> None:
        """CPQ opens the checkout; it repeats the call when it gets no answer."""
        with self.stopper.process():
            answer = self.tenant.call(self.body)
        assert answer.status_code in (200, 201), answer.content
        self.checkout = Checkout(self.tenant, json.loads(answer.content))

    @property
    def opened_checkout(self) -> Checkout:
        """The checkout, which has been opened."""
        assert self.checkout is not None
        return self.checkout

    def pay(self) -> None:
        """The payer presses Pay."""
        token = self.tenant.confirmation_token(self.card)
        with self.stopper.process():
            self.opened_checkout.pay(confirmation_token=token)

    def check(self) -> None:
        """The payer's browser asks for the result."""
        for attempt in self.opened_checkout.attempts:
            if attempt.state == "requires_action":
                with self.stopper.process():
                    Client().post(f"{self.opened_checkout.path}/attempts/{attempt.reference}/check")

    def return_to_quote(self) -> None:
        """The browser goes back to the quote."""
        with self.stopper.process():
            assert Client().get(f"/quotes/{self.opened_checkout.quote.reference}/return").status_code == 303

    def recover(self) -> None:
        """Run the sweeps that follow an interruption, and do what people do: open again, and pay if it is unpaid."""
        self.open_again()
        for after in (30, 400):
            self.run_worker(after=after)
        if self.opened_checkout.payment.state == "open":
            if not any(a.is_live for a in self.opened_checkout.attempts):
                self.pay()
            self.authenticate()
            self.check()
        self.send_webhooks()
        for after in (500, 900, 1500, 4000):
            self.run_worker(after=after)
        self.return_to_quote()
        self.run_worker(after=8000)

    def open_again(self) -> None:
        """CPQ repeats its call if it never got an answer."""
        if self.checkout is None:
            self.open()

    def verify(self) -> None:
        """Charged once, posted once, reported once, nothing dead."""
        intents = self.list_new_intents()
        assert sum(i["amount_received"] for i in intents) == 62500
        assert len([i for i in intents if i["status"] == "succeeded"]) == 1
        assert (self.opened_checkout.payment.state, self.opened_checkout.quote.state) == ("succeeded", "paid")
        stem = self.opened_checkout.payment.reference[:12].upper()
        assert list_documents(self.tenant, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("PAID", 625.0)]
        assert list_documents(self.tenant, "CreditNotes", "CreditNoteNumber", f"PF_CR-{stem}") == [
            ("AUTHORISED", 625.0)
        ]
        assert list_documents(self.tenant, "Payments", "Reference", f"PF-{stem}") == [("AUTHORISED", 625.0)]
        company = self.opened_checkout.payment.company
        assert list_documents(self.tenant, "Contacts", "Name", company.name) == [("ACTIVE", None)]
        assert set(Posting.objects.filter(company=company).values_list("state", flat=True)) == {"posted"}
        assert CreditNote.objects.get(payment=self.opened_checkout.payment).state == "approved"
        self.verify_callbacks()
        assert not OutboxMessage.objects.exclude(state="done").exists()

    def verify_callbacks(self) -> None:
        """CPQ was told once that it is paid."""
        callbacks = Callback.objects.filter(quote=self.opened_checkout.quote, event="checkout.paid")
        assert [c.delivered_at is not None for c in callbacks] == [True]


class SecureCardScenario(QuoteScenario):
    """The same with a card that needs authentication."""

    card = SECURE_CARD


class LinkedQuoteScenario(QuoteScenario):
    """The same by the link in the Order Porter template: CPQ is read when it is opened, and again before the charge."""

    def set_up(self) -> None:
        if not CpqConnection.objects.filter(merchant=self.tenant.merchant, is_enabled=True).exists():
            connect_cpq(self.tenant)
        customer = {"account_name": f"Harbour Dental {self.number}", "email": "accounts@harbourdental.example"}
        self.made = LinkedQuote.create(self.tenant, "one-time", deposit=50, customer=customer)
        self.checkout = None

    def open(self) -> None:
        """The customer follows the link, and follows it again when no page came."""
        with self.stopper.process():
            answer = self.made.follow()
        assert answer.status_code == 303, answer.content
        quote = Quote.objects.get(merchant=self.tenant.merchant, number=self.made.number)
        self.checkout = Checkout(self.tenant, {"id": quote.reference, "url": answer["Location"]})

    def return_to_quote(self) -> None:
        """The browser shows how it ended."""
        with self.stopper.process():
            assert Client().get(f"/quotes/{self.opened_checkout.quote.reference}/return").status_code == 200

    def verify_callbacks(self) -> None:
        """Nobody is told: CPQ has no address for it. There is one checkout and one payment."""
        assert Quote.objects.filter(number=self.made.number, merchant=self.tenant.merchant).count() == 1
        assert not Callback.objects.filter(quote=self.opened_checkout.quote).exists()


class NotedQuoteScenario(LinkedQuoteScenario):
    """The same where the merchant wants CPQ to be told."""

    interrupt_from: ClassVar[str] = "send_webhooks"
    field: ClassVar[str] = "zCustomQuoteString2"

    def set_up(self) -> None:
        super().set_up()
        CpqConnection.objects.filter(merchant=self.tenant.merchant).update(status_field=self.field)

    def verify(self) -> None:
        """CPQ says that it is paid."""
        super().verify()
        quote = self.opened_checkout.quote
        assert CpqNote.objects.get(quote=quote).state == "written"
        row = open_client(CpqConnection.objects.get(merchant=quote.merchant)).read_object(f"/api/quotes/{quote.cpq_id}")
        assert row[self.field] == "Paid"


class MailedQuoteScenario(LinkedQuoteScenario):
    """A poll finds the quote, its customer is mailed the link to pay it, and pays."""

    def set_up(self) -> None:
        if not CpqConnection.objects.filter(merchant=self.tenant.merchant, is_enabled=True).exists():
            connect_cpq(self.tenant)
        now = timezone.now()
        CpqConnection.objects.update(is_polled=True, mails_since=now, mails_after=now, polled_at=None)
        super().set_up()

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.poll, self.run_worker, self.open, self.pay, self.send_webhooks, self.run_worker]

    def poll(self) -> None:
        """The poll finds what was accepted."""
        with self.stopper.process():
            poll_connections(now=timezone.now())

    def recover(self) -> None:
        CpqConnection.objects.update(polled_at=None)
        self.poll()
        self.run_worker()
        super().recover()

    def verify(self) -> None:
        """One mail for the version, and one payment."""
        super().verify()
        mail = PayLinkMail.objects.get(quote=self.opened_checkout.quote)
        assert mail.state in ("sent", "left_out"), (mail.state, mail.reason)
        subject = f"Quote {self.made.number} from"
        found = [one for one in self.tenant.mails("accounts@harbourdental.example") if subject in one["subject"]]
        assert len({dict(one["headers"])["Message-ID"] for one in found}) == (
            1 if mail.state == "sent" else len(found[:1])
        )
