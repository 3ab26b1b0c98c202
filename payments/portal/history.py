"""What happened to a payment: every step of every attempt and refund with its instant, the newest first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from payments.errors import explain_failure, get_operation_failure
from payments.models import Attempt, Refund
from payments.operations.next_actions import get_next_action
from wisepay.money import Money
from wisepay.states import StateChange


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One step: when, the badge's state, how much, with what, and a sentence where one is due."""

    at: datetime
    state: str
    money: Money
    method: str = ""
    words: str = ""


def list_history(attempts: Sequence[Attempt], refunds: Iterable[Refund]) -> list[HistoryStep]:
    """Every step, the newest first. One query."""
    changes = StateChange.objects.filter(
        subject=Attempt._meta.label_lower, subject_id__in=[attempt.pk for attempt in attempts]
    )
    by_attempt: dict[int, list[StateChange]] = {}
    for change in changes.order_by("at", "pk"):
        by_attempt.setdefault(change.subject_id, []).append(change)
    steps = [step for attempt in attempts for step in list_attempt_steps(attempt, by_attempt.get(attempt.pk, []))]
    steps += [step for refund in refunds for step in list_refund_steps(refund)]
    return sorted(steps, key=lambda step: step.at, reverse=True)


def list_attempt_steps(attempt: Attempt, changes: Sequence[StateChange]) -> list[HistoryStep]:
    """The steps of one attempt, the oldest first: begun, sent to the bank, and every state that it took."""
    method = str(attempt.method or "")
    steps = [HistoryStep(attempt.created_at, "processing", attempt.money, method, _("Started."))]
    if attempt.submitted_at is not None:
        words = _("The bank debit was sent. It takes some working days to settle.")
        steps.append(HistoryStep(attempt.submitted_at, "settling", attempt.money, method, words))
    for change in changes:
        # That a debit is on its way is said once, with the instant that the gateway gave.
        if change.to_state != "processing" or attempt.submitted_at is None:
            words = describe_state(attempt, change.to_state)
            steps.append(HistoryStep(change.at, change.to_state, attempt.money, method, words))
    if not changes and attempt.state != "processing":
        words = describe_state(attempt, attempt.state)
        steps.append(HistoryStep(attempt.state_at, attempt.state, attempt.money, method, words))
    return steps


def describe_state(attempt: Attempt, state: str) -> str:
    """What a state of an attempt means to its payer."""
    if state == "failed":
        is_debit = attempt.method_kind not in ("", "card")
        return get_operation_failure(attempt) or explain_failure(attempt.failure_code, is_debit=is_debit)
    return {
        "processing": _("We are waiting for the bank's answer."),
        "requires_action": f"{get_next_action(attempt).title}."
        if attempt.next_action
        else _("The bank wants to confirm that it is you."),
        "succeeded": _("The bank debit settled.") if attempt.submitted_at is not None else _("Paid."),
        "cancelled": _("Given up before anything was charged."),
        "reversed": _("The bank took this payment back after it had settled, so it is owed again."),
    }.get(state, "")


def list_refund_steps(refund: Refund) -> list[HistoryStep]:
    """When a refund was ordered, and how it ended; of a dispute only what the bank gave back."""
    if refund.origin == Refund.Origin.DISPUTE:
        words = _("Your bank gave this part back to you.")
        step = HistoryStep(refund.state_at, "refunded", refund.money, words=words)
        return [step] if refund.state == "succeeded" else []
    steps = [HistoryStep(refund.created_at, "processing", refund.money, words=_("Refund ordered."))]
    if refund.state != "processing":
        is_back = refund.state == "succeeded"
        words = _("Refunded.") if is_back else _("The refund could not be given back.")
        steps.append(HistoryStep(refund.state_at, "refunded" if is_back else "failed", refund.money, words=words))
    return steps
