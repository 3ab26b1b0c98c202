"""Scenarios of the ledger: credits applied and reverted, and what is read back from the ledger and from Stripe."""

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import requests
from django.utils import timezone

from accounting.credits.matching import revert_match
from accounting.mirror.services import schedule_mirror_syncs
from accounting.models import (
    CreditMatch,
    LedgerContact,
    LedgerCredit,
    LedgerInvoice,
    LedgerPayment,
    LedgerPaymentCursor,
    MirrorCursor,
    PaymentSync,
    PendingChange,
    Posting,
)
from accounting.payment_sync.services import build_sync_lines, list_applications
from accounting.tasks import schedule_ledger_payment_syncs
from payments.models import BalanceTransaction, BalanceTransactionCursor, Payout
from payments.tasks import sync_balances
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.accounting.mirror.ledger_actions import (
    build_event,
    fill_ledger,
    get_next_index,
    list_read_calls,
    make_invoice,
    send_webhook,
    sync_due,
)
from tests.scenarios.base import Scenario, list_remaining_credits
from tests.tenants import Checkout, deliver_outbox
from wisepay.models import OutboxMessage

DAY = 86_400


class ApplyCreditScenario(Scenario):
    """The down-payment invoice of a paid quote appears in the ledger, and the credit is applied automatically."""

    interrupt_from: ClassVar[str] = "sync_mirror"

    def set_up(self) -> None:
        name = f"Harbour Dental {self.number}"
        self.billing = InvoiceScenario(self.tenant, name=name, email=f"payer{self.number}@example.com")
        self.checkout: Checkout = self.tenant.open_checkout(
            customer={"account_name": name}, amounts={"due_now": "625.00", "full_payment_allowed": False}
        )
        self.checkout.pay()
        deliver_outbox()
        invoice = {"number": f"INV-{self.number}", "reference": f"Quote {self.checkout.quote.number}"}
        self.billing.act_in_ledger("make_invoice", contact=name, amount="625.00", **invoice)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.sync_mirror, self.run_worker]

    @property
    def match(self) -> CreditMatch:
        """The quote's only match, read afresh."""
        rows = CreditMatch.objects.select_related("note__payment", "invoice", "merchant")
        return rows.get(note__payment=self.checkout.payment)

    def act_after_stop(self) -> None:
        self.sync_mirror(after=450)

    def get_remaining(self) -> tuple[tuple[str, str], list[tuple[str, float]]]:
        """The state of the invoice in the ledger, and the remaining credit there."""
        stem = self.checkout.payment.reference[:12].upper()
        return self.billing.get_ledger_status(self.billing.get_invoice(f"INV-{self.number}")), list_remaining_credits(
            self.tenant, stem
        )

    def verify(self) -> None:
        super().verify()
        assert self.match.state == "applied"
        assert self.get_remaining() == (("PAID", "0.00"), [("PAID", 0.0)])
        assert self.billing.get_invoice(f"INV-{self.number}").status == "paid"


class UndoCreditScenario(ApplyCreditScenario):
    """The applied credit is reverted."""

    interrupt_from: ClassVar[str] = "undo"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.sync_mirror, self.run_worker, self.undo, self.run_worker]

    def undo(self) -> None:
        """The merchant presses Undo."""
        match = self.match
        with self.stopper.process():
            revert_match(match, by=self.tenant.user, now=timezone.now())

    def act_after_stop(self) -> None:
        super().act_after_stop()
        if self.match.state == "applied":
            self.undo()

    def verify(self) -> None:
        Scenario.verify(self)
        assert self.match.state == "undone"
        assert self.get_remaining() == (("AUTHORISED", "625.00"), [("AUTHORISED", 625.0)])
        assert self.billing.get_invoice(f"INV-{self.number}").status == "open"


class PaymentSyncScenario(Scenario):
    """An invoice is paid in the ledger, and somebody presses Sync Payments."""

    interrupt_from: ClassVar[str] = "press_sync"

    def set_up(self) -> None:
        self.billing = InvoiceScenario(
            self.tenant, name=f"Harbour Dental {self.number}", email=f"payer{self.number}@example.com"
        )
        self.invoice = self.billing.create_invoice("500.00", number=f"INV-{self.number}")
        deliver_outbox()
        self.billing.act_in_ledger("pay", invoice=self.invoice.number, amount="500.00")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.press_sync, self.run_worker]

    def press_sync(self) -> None:
        """The merchant presses Sync Payments."""
        with self.stopper.process():
            self.tenant.admin.post(self.tenant.url("books/sync"))

    def act_after_stop(self) -> None:
        if self.billing.get_invoice(self.invoice.number).status != "paid":
            self.press_sync()

    def verify(self) -> None:
        super().verify()
        assert self.billing.get_invoice(self.invoice.number).status == "paid"
        sync = PaymentSync.objects.select_related("merchant").latest("pk")
        assert (sync.state, PaymentSync.objects.filter(state="running").count()) == ("finished", 0)
        effects = {line.invoice.number: line.effects for line in build_sync_lines(sync, list_applications(sync))}
        assert effects[self.invoice.number] == ("Paid elsewhere.", "Not outstanding any more.")


class LedgerWebhookScenario(Scenario):
    """The ledger sends a webhook of a changed invoice, again and again until it is answered."""

    interrupt_from: ClassVar[str] = "send_ledger_webhook"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (schedule_mirror_syncs,)

    def set_up(self) -> None:
        if not MirrorCursor.objects.exists():
            sync_due()  # webhooks count once everything was read
        self.billing = InvoiceScenario(
            self.tenant, name=f"Harbour Dental {self.number}", email=f"payer{self.number}@example.com"
        )
        self.key = make_invoice(self.tenant, f"INV-{self.number}", "80.00", contact=self.billing.name)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.send_ledger_webhook, self.run_worker]

    def send_ledger_webhook(self) -> None:
        """The accounting package posts its webhook."""
        event = build_event(self.tenant, "invoices", self.key)
        with self.stopper.process():
            send_webhook(self.tenant, event)

    def act_after_stop(self) -> None:
        if not PendingChange.objects.filter(ledger_id=self.key).exists():
            self.send_ledger_webhook()

    def verify(self) -> None:
        super().verify()
        assert self.billing.get_invoice(f"INV-{self.number}").due == 8000
        assert not PendingChange.objects.filter(read_at=None).exists()


class MirrorSyncScenario(Scenario):
    """A ledger with many rows is read for the first time; an interrupted reader repeats one page at most."""

    interrupt_from: ClassVar[str] = "sync_mirror"
    page_sizes: ClassVar[dict[str, int]] = {
        "accounting.ledgers.xero.reading.LARGEST_PAGE": 5,
        "accounting.ledgers.quickbooks.company.LARGEST_PAGE": 5,
    }
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (schedule_mirror_syncs,)

    def set_up(self) -> None:
        if not MirrorCursor.objects.exists():
            fill_ledger(self.tenant, invoices=15, contacts=2)
        for model in (MirrorCursor, LedgerInvoice, LedgerCredit, LedgerContact, OutboxMessage):
            model.objects.all().delete()
        self.first_index = get_next_index(self.tenant)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.sync_mirror]

    def recover(self) -> None:
        for after in (160, 300):  # so soon nothing is due again
            self.run_worker(after=after)

    def verify(self) -> None:
        super().verify()
        assert LedgerInvoice.objects.count() == 15
        assert LedgerInvoice.objects.values("ledger_id").distinct().count() == 15
        assert all(cursor.known_until for cursor in MirrorCursor.objects.all())
        # Reading what changed since the first time is no repetition of it.
        entries = list_read_calls(self.tenant, self.first_index)
        full_reads = [e for e in entries if "If-Modified-Since" not in e["request_headers"]]
        calls = Counter(e["url"] + e["request_body"] for e in full_reads)
        assert sum(calls.values()) - len(calls) <= 1, calls


class BalanceTransactionScenario(Scenario):
    """Stripe's balance transactions and payouts are read page by page: each one once, with its payout."""

    interrupt_from: ClassVar[str] = "run_worker"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (lambda now: sync_balances(),)
    page_sizes: ClassVar[dict[str, int]] = {"payments.gateways.stripe.balance_transactions.PAGE_SIZE": 10}

    def set_up(self) -> None:
        if not BalanceTransactionCursor.objects.exists():
            begin = int(timezone.now().timestamp()) - 10 * DAY
            lines = [
                {"kind": "charge", "amount": 1_000 + n, "currency": "aud", "at": begin + 60 * n} for n in range(25)
            ]
            self.tenant.world.post("/stripe/_control", {"play": {"account": self.tenant.stripe_key, "entries": lines}})
            self.tenant.world.advance(0)
        for model in (BalanceTransaction, Payout, BalanceTransactionCursor, OutboxMessage):
            model.objects.all().delete()

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.run_worker, self.send_payout_webhook, self.run_worker]

    def send_payout_webhook(self) -> None:
        """Stripe sends the webhook of a payout that arrived."""
        [payout, *_] = self.list_stripe_ids("payouts")
        with self.stopper.process():
            self.tenant.send_stripe_webhook("payout.paid", {"id": payout, "object": "payout"})

    def list_stripe_ids(self, kind: str) -> set[str]:
        """The ids of Stripe's list."""
        auth = {"Authorization": f"Bearer {self.tenant.stripe_key}"}
        url = f"{self.tenant.world.url}/stripe/v1/{kind}?limit=100"
        return {row["id"] for row in requests.get(url, headers=auth, timeout=10).json()["data"]}

    def verify(self) -> None:
        super().verify()
        assert len(self.list_stripe_ids("balance_transactions")) > 25
        assert set(BalanceTransaction.objects.values_list("stripe_id", flat=True)) == self.list_stripe_ids(
            "balance_transactions"
        )
        assert set(Payout.objects.values_list("stripe_payout_id", flat=True)) == self.list_stripe_ids("payouts")
        for payout in Payout.objects.all():
            lines = payout.balance_transactions.exclude(kind="payout")
            assert sum(line.paid_amount - line.fee for line in lines) == payout.amount
        assert [c.known_until is not None for c in BalanceTransactionCursor.objects.all()] == [True]


class LedgerPaymentScenario(Scenario):
    """The ledger's payments are read back page by page, and each is matched to its posting."""

    interrupt_from: ClassVar[str] = "run_worker"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (lambda now: schedule_ledger_payment_syncs(),)
    page_sizes: ClassVar[dict[str, int]] = {
        "accounting.ledgers.xero.reading.LARGEST_PAGE": 2,
        "accounting.ledgers.quickbooks.company.LARGEST_PAGE": 2,
    }

    def set_up(self) -> None:
        for _ in range(0 if Posting.objects.exists() else 5):
            self.tenant.open_checkout().pay()
        deliver_outbox()
        for model in (LedgerPayment, LedgerPaymentCursor, OutboxMessage):
            model.objects.all().delete()

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.run_worker]

    def verify(self) -> None:
        super().verify()
        ours = set(Posting.objects.filter(kind="payment").values_list("ledger_id", flat=True))
        assert len(ours) == 5
        read = LedgerPayment.objects.filter(ledger_id__in=ours)
        assert sorted(read.values_list("ledger_id", flat=True)) == sorted(ours)
        assert set(read.values_list("posting__kind", flat=True)) == {"payment"}
        assert [(c.known_until is not None, c.page, c.error) for c in LedgerPaymentCursor.objects.all()] == [
            (True, 0, "")
        ]
