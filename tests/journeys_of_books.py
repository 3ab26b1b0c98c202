"""Journeys of the books: credits put to invoices and taken off, what is read back from the books and from Stripe."""

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import requests
from django.utils import timezone

from accounting.crediting import undo_match
from accounting.mirror_orders import arm_due as arm_books
from accounting.models import (
    CreditMatch,
    HeardChange,
    LedgerContact,
    LedgerCredit,
    LedgerInvoice,
    LedgerPayment,
    MirrorCursor,
    MoneyCursor,
    PaymentSync,
    Posting,
)
from accounting.payment_sync import applications, lines_of
from accounting.tasks import read_ledger_payments
from payments.models import Movement, MovementCursor, Payout
from payments.tasks import read_movements
from tests.accounting.invoices import Billing
from tests.accounting.mirror_stage import event, exchanges, fill, make, next_index, sync, tell
from tests.journeys import Journey, remaining_notes
from tests.people import Checkout, drain_outbox
from wisepay.models import OutboxMessage

DAY = 86_400


class CreditJourney(Journey):
    """The down-payment invoice of a paid quote appears in the books, and the credit applies itself."""

    stops_from: ClassVar[str] = "read_books"

    def set_up(self) -> None:
        name = f"Harbour Dental {self.number}"
        self.billing = Billing(self.house, name=name, email=f"payer{self.number}@example.com")
        self.checkout: Checkout = self.house.open_checkout(
            customer={"account_name": name}, amounts={"due_now": "625.00", "full_payment_allowed": False}
        )
        self.checkout.pay()
        drain_outbox()
        said = {"number": f"INV-{self.number}", "reference": f"Quote {self.checkout.quote.number}"}
        self.billing.by_hand("make_invoice", contact=name, amount="625.00", **said)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books, self.work]

    @property
    def match(self) -> CreditMatch:
        """The quote's only match, read afresh."""
        rows = CreditMatch.objects.select_related("note__payment", "invoice", "merchant")
        return rows.get(note__payment=self.checkout.payment)

    def go_on(self) -> None:
        self.read_books(after=450)

    def left(self) -> tuple[tuple[str, str], list[tuple[str, float]]]:
        """How the invoice stands in the books, and what is left of the credit there."""
        stem = self.checkout.payment.reference[:12].upper()
        return self.billing.standing(self.billing.invoice(f"INV-{self.number}")), remaining_notes(self.house, stem)

    def verify(self) -> None:
        super().verify()
        assert self.match.state == "applied"
        assert self.left() == (("PAID", "0.00"), [("PAID", 0.0)])
        assert self.billing.invoice(f"INV-{self.number}").status == "paid"


class UndoJourney(CreditJourney):
    """Somebody takes it off again."""

    stops_from: ClassVar[str] = "undo"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books, self.work, self.undo, self.work]

    def undo(self) -> None:
        """The merchant presses Undo."""
        match = self.match
        with self.stopper.process():
            undo_match(match, by=self.house.user, now=timezone.now())

    def go_on(self) -> None:
        super().go_on()
        if self.match.state == "applied":
            self.undo()

    def verify(self) -> None:
        Journey.verify(self)
        assert self.match.state == "undone"
        assert self.left() == (("AUTHORISED", "625.00"), [("AUTHORISED", 625.0)])
        assert self.billing.invoice(f"INV-{self.number}").status == "open"


class SyncJourney(Journey):
    """An invoice is paid in the books, and somebody presses Sync Payments."""

    stops_from: ClassVar[str] = "press"

    def set_up(self) -> None:
        self.billing = Billing(
            self.house, name=f"Harbour Dental {self.number}", email=f"payer{self.number}@example.com"
        )
        self.invoice = self.billing.bill("500.00", number=f"INV-{self.number}")
        drain_outbox()
        self.billing.by_hand("pay", invoice=self.invoice.number, amount="500.00")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.press, self.work]

    def press(self) -> None:
        """The merchant presses Sync Payments."""
        with self.stopper.process():
            self.house.admin.post(self.house.url("books/sync"))

    def go_on(self) -> None:
        if self.billing.invoice(self.invoice.number).status != "paid":
            self.press()

    def verify(self) -> None:
        super().verify()
        assert self.billing.invoice(self.invoice.number).status == "paid"
        sync = PaymentSync.objects.select_related("merchant").latest("pk")
        assert (sync.state, PaymentSync.objects.filter(state="running").count()) == ("finished", 0)
        told = {line.invoice.number: line.done for line in lines_of(sync, applications(sync))}
        assert told[self.invoice.number] == ("Paid elsewhere.", "Not outstanding any more.")


class HearingJourney(Journey):
    """The books say of an invoice that it changed; they say it again until they are answered."""

    stops_from: ClassVar[str] = "say"
    beat: ClassVar[tuple[Callable[..., object], ...]] = (arm_books,)

    def set_up(self) -> None:
        if not MirrorCursor.objects.exists():
            sync()  # what is told counts once everything was read
        self.billing = Billing(
            self.house, name=f"Harbour Dental {self.number}", email=f"payer{self.number}@example.com"
        )
        self.key = make(self.house, f"INV-{self.number}", "80.00", contact=self.billing.name)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.say, self.work]

    def say(self) -> None:
        """The package POSTs its webhook."""
        said = event(self.house, "invoices", self.key)
        with self.stopper.process():
            tell(self.house, said)

    def go_on(self) -> None:
        if not HeardChange.objects.filter(ledger_id=self.key).exists():
            self.say()

    def verify(self) -> None:
        super().verify()
        assert self.billing.invoice(f"INV-{self.number}").due == 8000
        assert not HeardChange.objects.filter(read_at=None).exists()


class MirrorJourney(Journey):
    """Books that were kept for years are read for the first time; whoever is stopped repeats one page at most."""

    stops_from: ClassVar[str] = "read_books"
    pages: ClassVar[dict[str, int]] = {
        "accounting.ledgers.xero_reading.LARGEST_PAGE": 5,
        "accounting.ledgers.quickbooks_base.LARGEST_PAGE": 5,
    }
    beat: ClassVar[tuple[Callable[..., object], ...]] = (arm_books,)

    def set_up(self) -> None:
        if not MirrorCursor.objects.exists():
            fill(self.house, invoices=15, contacts=2)
        for model in (MirrorCursor, LedgerInvoice, LedgerCredit, LedgerContact, OutboxMessage):
            model.objects.all().delete()
        self.mark = next_index(self.house)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books]

    def recover(self) -> None:
        for after in (160, 300):  # so soon nothing is due again
            self.work(after=after)

    def verify(self) -> None:
        super().verify()
        assert LedgerInvoice.objects.count() == 15
        assert LedgerInvoice.objects.values("ledger_id").distinct().count() == 15
        assert all(cursor.since for cursor in MirrorCursor.objects.all())
        # A look at what changed since the first reading is no repetition of it.
        asked = [e for e in exchanges(self.house, self.mark) if "If-Modified-Since" not in e["request_headers"]]
        calls = Counter(e["url"] + e["request_body"] for e in asked)
        assert sum(calls.values()) - len(calls) <= 1, calls


class MovementsJourney(Journey):
    """What Stripe moved and paid out is read page by page: every line once, with its payout."""

    stops_from: ClassVar[str] = "work"
    beat: ClassVar[tuple[Callable[..., object], ...]] = (lambda now: read_movements(),)
    pages: ClassVar[dict[str, int]] = {"payments.gateways.stripe_movements.PAGE": 10}

    def set_up(self) -> None:
        if not MovementCursor.objects.exists():
            begin = int(timezone.now().timestamp()) - 10 * DAY
            lines = [
                {"kind": "charge", "amount": 1_000 + n, "currency": "aud", "at": begin + 60 * n} for n in range(25)
            ]
            self.house.world.post("/stripe/_control", {"play": {"account": self.house.stripe_key, "entries": lines}})
            self.house.world.advance(0)
        for model in (Movement, Payout, MovementCursor, OutboxMessage):
            model.objects.all().delete()

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.work, self.hear_of_payout, self.work]

    def hear_of_payout(self) -> None:
        """Stripe tells that one arrived."""
        [payout, *_] = self.listed("payouts")
        with self.stopper.process():
            self.house.hear("payout.paid", {"id": payout, "object": "payout"})

    def listed(self, kind: str) -> set[str]:
        """The ids of Stripe's list."""
        auth = {"Authorization": f"Bearer {self.house.stripe_key}"}
        url = f"{self.house.world.url}/stripe/v1/{kind}?limit=100"
        return {row["id"] for row in requests.get(url, headers=auth, timeout=10).json()["data"]}

    def verify(self) -> None:
        super().verify()
        assert len(self.listed("balance_transactions")) > 25
        assert set(Movement.objects.values_list("stripe_id", flat=True)) == self.listed("balance_transactions")
        assert set(Payout.objects.values_list("stripe_payout_id", flat=True)) == self.listed("payouts")
        for payout in Payout.objects.all():
            lines = payout.lines.exclude(kind="payout")
            assert sum(line.paid_amount - line.fee for line in lines) == payout.amount
        assert [c.known_until is not None for c in MovementCursor.objects.all()] == [True]


class MoneyJourney(Journey):
    """The payments of the books are read back page by page, and each is known as the one that we put there."""

    stops_from: ClassVar[str] = "work"
    beat: ClassVar[tuple[Callable[..., object], ...]] = (lambda now: read_ledger_payments(),)
    pages: ClassVar[dict[str, int]] = {
        "accounting.ledgers.xero_payments.LARGEST_PAGE": 2,
        "accounting.ledgers.quickbooks_base.LARGEST_PAGE": 2,
    }

    def set_up(self) -> None:
        for _ in range(0 if Posting.objects.exists() else 5):
            self.house.open_checkout().pay()
        drain_outbox()
        for model in (LedgerPayment, MoneyCursor, OutboxMessage):
            model.objects.all().delete()

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.work]

    def verify(self) -> None:
        super().verify()
        ours = set(Posting.objects.filter(kind="payment").values_list("ledger_id", flat=True))
        assert len(ours) == 5
        read = LedgerPayment.objects.filter(ledger_id__in=ours)
        assert sorted(read.values_list("ledger_id", flat=True)) == sorted(ours)
        assert set(read.values_list("posting__kind", flat=True)) == {"payment"}
        assert [(c.known_until is not None, c.page, c.error) for c in MoneyCursor.objects.all()] == [(True, 0, "")]
