"""Running what is due: looked at once more under the invoice's lock, claimed once, then charged."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import models, transaction

from accounting.autopay.days import local_day
from accounting.autopay.deciding import (
    Gap,
    InvoiceFacts,
    Plan,
    Rulebook,
    amount_gap,
    choose_method,
    decide,
    mapping_for,
    term_of,
)
from accounting.autopay.failures import is_exhausted
from accounting.autopay.notices import tell_held
from accounting.autopay.promising import drop_payment, promise_payment
from accounting.autopay.reading import is_paused, read_rulebook
from accounting.guards import sentences_of
from accounting.invoice_room import Room, rooms_of
from accounting.mirror_asking import ask_again
from accounting.models import AutoPayMapping, LedgerInvoice, ScheduledPayment
from accounting.paying import doubts_about, locked_invoices, note_confirmation
from payments.automatic import promise_charge
from payments.errors import AttemptInProgress, CannotPay
from payments.models import Attempt, Payment, SavedMethod
from payments.services import run_attempt
from payments.states import LIVE
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import OutboxMessage

log = structlog.get_logger(__name__)

AT_ONCE = 500  # due ones that one look hands to the workers
STALE = timedelta(hours=24)  # a run that was missed for longer is planned anew instead of charged by surprise
KNOWN = timedelta(minutes=10)  # so long what the books said of an invoice is good enough to charge it
ASKED = 99  # others that are due and may be read in the same call
LATER = timedelta(minutes=30)  # when books are asked again that refused to tell
UNASKED = "It waits until the invoice can be looked at in the accounting package."
BY = "scheduler"


class NotNow(Exception):
    """It is not charged now. `state` is what becomes of it; empty leaves it as it is."""

    def __init__(self, reason: str, *, state: str = "", run_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.state, self.run_at = reason, state, run_at


@dataclass(frozen=True, slots=True)
class Go:
    """What is charged now."""

    mapping_id: int
    method_id: int
    amount: int


def arm_due(*, now: datetime) -> int:
    """Hand everything that is due to the workers; answers how many. What waits in the outbox already is left alone."""
    due = due_rows(now=now).values_list("pk", flat=True)[:AT_ONCE]
    keys = {key_of(pk): pk for pk in due}
    waiting = OutboxMessage.objects.filter(key__in=keys, state=OutboxMessage.State.PENDING)
    fresh = keys.keys() - set(waiting.values_list("key", flat=True))
    for key in sorted(fresh, key=keys.__getitem__):
        outbox.arm(key, "accounting.run_scheduled", now=now, scheduled_id=keys[key])
    return len(fresh)


def due_rows(*, now: datetime) -> models.QuerySet[ScheduledPayment]:
    """What is due, of merchants whose automatic payments are on; the oldest first."""
    rows = ScheduledPayment.objects.filter(state="scheduled", run_at__lte=now)
    rows = rows.filter(merchant__autopay_settings__is_enabled=True, merchant__takes_payments=True)
    return rows.order_by("run_at", "pk")


def key_of(scheduled_id: int) -> str:
    """The outbox key of one scheduled payment's run."""
    return f"scheduled:{scheduled_id}"


def run_scheduled(scheduled_id: int, *, now: datetime) -> Attempt | None:
    """Charge one scheduled payment if it is due and nothing stands against it; None when it was not charged.

    Its invoice is read anew from the books before, so that what was paid there a moment ago is not charged; while the
    books can't be asked nothing is. Run as often as one likes, at the same time or after a crash: it is charged at
    most once.
    """
    ask_books(scheduled_id, now=now)
    attempt = claim(scheduled_id, now=now)
    if attempt is not None:
        run_attempt(attempt, now=now)
        log.info("autopay.charged", scheduled=scheduled_id, attempt=attempt.reference, state=attempt.state)
    return attempt


def ask_books(scheduled_id: int, *, now: datetime) -> None:
    """Read what is due of this merchant from the books, in one call for many, unless it was read just now.

    Where that is not possible it is written down why, and a later look tries again.
    """
    row = ScheduledPayment.objects.select_related("merchant", "company__merchant", "invoice").get(pk=scheduled_id)
    if row.state != "scheduled" or row.run_at > now or is_known(row.invoice, now=now):
        return
    others = due_rows(now=now).filter(merchant=row.merchant, invoice__read_at__lt=now - KNOWN).exclude(pk=row.pk)
    invoices = [row.invoice, *(other.invoice for other in others.select_related("invoice")[:ASKED])]
    try:
        told = ask_again(row.merchant, invoices, now=now)
    except (Unavailable, Disconnected) as error:
        ScheduledPayment.objects.filter(pk=row.pk, state="scheduled").update(reason=f"{UNASKED} {error}"[:300])
    except Rejected as error:
        leave(row, NotNow(f"{UNASKED} {error.message}", run_at=now + LATER), now=now)
    else:
        if row.invoice_id not in told:
            leave(row, NotNow("The accounting package does not know the invoice any more.", state="held"), now=now)


def leave(scheduled: ScheduledPayment, why: NotNow, *, now: datetime) -> None:
    """It is not charged now, for a reason that was found without its lock."""
    with transaction.atomic(durable=True):
        locked_invoices([scheduled.invoice_id])
        current = scheduled.lock()
        if current.state == "scheduled":
            current.merchant, current.company, current.invoice = (
                scheduled.merchant,
                scheduled.company,
                scheduled.invoice,
            )
            put_off(current, why, now=now)


def is_known(invoice: LedgerInvoice, *, now: datetime) -> bool:
    """Whether the books were asked so lately that what they said can be charged."""
    return invoice.read_at >= now - KNOWN


def claim(scheduled_id: int, *, now: datetime) -> Attempt | None:
    """Commit that this worker charges it: `pending`, with its payment, share and attempt. None when it does not."""
    row = ScheduledPayment.objects.select_related("merchant", "company").get(pk=scheduled_id)
    with transaction.atomic(durable=True):
        invoice = locked_invoices([row.invoice_id])[row.invoice_id]
        current = row.lock()
        is_due = current.state == "scheduled" and current.run_at <= now
        if not is_due or is_paused(row.merchant) or not is_known(invoice, now=now):
            return None
        current.merchant, current.company, current.invoice = row.merchant, row.company, invoice
        current.company.merchant = row.merchant
        try:
            go = check(current, invoice, now=now)
            with transaction.atomic():
                return begin(current, invoice, go, now=now)
        except AttemptInProgress:
            return None
        except CannotPay as error:
            put_off(current, NotNow(str(error), state="held"), now=now)
        except NotNow as error:
            put_off(current, error, now=now)
    return None


def begin(scheduled: ScheduledPayment, invoice: LedgerInvoice, go: Go, *, now: datetime) -> Attempt:
    """The payment, its share and its attempt. A step of an open transaction."""
    method = SavedMethod.objects.select_related("owner", "acceptance").get(pk=go.method_id)
    mapping = AutoPayMapping.objects.select_related("acceptance").get(pk=go.mapping_id)
    payment = promise_payment(scheduled, invoice, amount=go.amount, now=now)
    if scheduled.confirmed_by is not None:
        doubts = doubts_about([invoice], origin=payment.origin, now=now, payment=payment)
        note_confirmation(payment, doubts, by=scheduled.confirmed_by, now=now)
    attempt = promise_charge(payment, method=method, acceptance=mapping.acceptance, now=now)
    is_same = scheduled.method_id == method.pk
    is_debit = not method.is_card
    scheduled.become(
        "pending",
        now=now,
        by=BY,
        payment=payment,
        mapping=mapping,
        method=method,
        amount=go.amount,
        tries=scheduled.tries + 1 if is_same else 1,
        presentations=(scheduled.presentations if is_same else 0) + is_debit,
        first_asked_at=(scheduled.first_asked_at if is_same else None) or (now if is_debit else None),
    )
    return attempt


def put_off(scheduled: ScheduledPayment, why: NotNow, *, now: datetime) -> None:
    """It is not charged now: held, cancelled, or moved to another day. A step of an open transaction."""
    if why.run_at is not None:
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=why.run_at, reason=why.reason[:300])
        return
    if why.state:
        scheduled.become(why.state, now=now, by=BY, reason=why.reason)
    if why.state == "held":
        tell_held(scheduled, now=now)
    elif why.state == "cancelled" and scheduled.payment_id is not None:
        drop_payment(scheduled.payment_id, now=now)


# ---- looking once more ------------------------------------------------------------------------------


def check(scheduled: ScheduledPayment, invoice: LedgerInvoice, *, now: datetime) -> Go:
    """What to charge, as everything stands now under the invoice's lock. Raises NotNow."""
    payment = scheduled.payment
    check_payment(payment)
    room = rooms_of([invoice], apart_from=payment)[invoice.pk]
    facts = facts_of(invoice, room)
    book = read_rulebook(scheduled.merchant, companies=[scheduled.company_id])
    check_missed(scheduled, facts, book, now=now)
    go = choose(scheduled, facts, book, now=now)
    if scheduled.confirmed_by_id is None:
        doubts = doubts_about([invoice], origin=Payment.Origin.AUTOMATIC, now=now, payment=payment)
        if doubts:
            raise NotNow("It may be paid already. " + " ".join(sentences_of(doubts)), state="held")
    return go


def check_payment(payment: Payment | None) -> None:
    """Whether the payment of an earlier try still waits for its money. Raises NotNow."""
    if payment is None:
        return
    if payment.state == "succeeded":
        raise NotNow("The payer paid it.", state="cancelled")
    if payment.attempts.filter(state__in=LIVE).exists():
        raise NotNow("A payment of it is on its way.")


def facts_of(invoice: LedgerInvoice, room: Room) -> InvoiceFacts:
    """The locked invoice as decisions need it."""
    return InvoiceFacts(
        id=invoice.pk,
        company_id=invoice.company_id,
        currency=invoice.currency,
        status=invoice.status,
        due=invoice.due,
        flying=room.in_flight + room.waiting,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        term_key=(invoice.organisation_id, invoice.term_id),
        remark=invoice.remark,
    )


def check_missed(scheduled: ScheduledPayment, facts: InvoiceFacts, book: Rulebook, *, now: datetime) -> None:
    """Plan one anew whose run was missed for long, for example while payments were off. Raises NotNow."""
    if now - scheduled.run_at < STALE or scheduled.tries:
        return
    decision = decide(facts, book, now=now)
    if isinstance(decision, Gap) and decision.code != "paying":
        raise NotNow(decision.reason, state="cancelled")
    if isinstance(decision, Plan) and decision.run_at > now:
        raise NotNow("Its run was missed.", run_at=decision.run_at)


def choose(scheduled: ScheduledPayment, facts: InvoiceFacts, book: Rulebook, *, now: datetime) -> Go:
    """The mapping, method and amount that still hold; the amount is never more than was planned. Raises NotNow."""
    decision = decide(facts, book, now=now)
    if isinstance(decision, Gap) and decision.code in ("over", "no_term", "unmatched"):
        raise NotNow(decision.reason, state="cancelled")
    if isinstance(decision, Gap) and decision.code == "paying":
        raise NotNow(decision.reason, state="held")
    amount = min(scheduled.amount, facts.due - facts.flying)
    gap = amount_gap(amount, facts.currency, book.rules)
    if gap is not None:
        raise NotNow(gap.reason, state="cancelled")
    term = term_of(facts, book)
    mapping, _ = mapping_for(facts, term, book)
    if term is None or mapping is None:
        raise NotNow("Its Auto-Pay mapping ended.", state="cancelled")
    planned = scheduled.method_id if mapping.id == scheduled.mapping_id else None
    today = local_day(now, book.rules.zone)
    chosen = choose_method(mapping, term, book, currency=facts.currency, on=today, first=planned)
    if isinstance(chosen, Gap) or chosen.hold:
        raise NotNow(chosen.reason if isinstance(chosen, Gap) else chosen.hold, state="held")
    is_same = chosen.method.id == scheduled.method_id
    if is_same and is_exhausted(scheduled.presentations, scheduled.first_asked_at, now=now):
        raise NotNow(f"The bank's rules do not allow {chosen.method.label} to be asked again for it.", state="held")
    return Go(mapping.id, chosen.method.id, amount)
