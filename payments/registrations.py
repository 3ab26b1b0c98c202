"""What registrations make here: attempts, setups and saved methods, and whose they become."""

from datetime import datetime

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction_required

from merchants.models import EventNotification
from payers.company_access import open_access_after_payment
from payers.models import PayerAccess, PayerCompany, Registration
from payers.registrations import record_registration_use
from payments.consequences import notify_merchant_of_payment
from payments.models import Attempt, GatewayOperation, Payment, SavedMethod, Setup
from payments.saved_methods.removal import end_method, list_method_uses, lock_method_uses
from payments.saved_methods.services import enqueue_new_method_emails
from wisepay import events
from wisepay.models import User

USED_STATES = ("succeeded", "reversed", "processing", "requires_action")


@transaction_required
def merge_method(method: SavedMethod, user: User, *, now: datetime) -> bool:
    """Use the row that the person has of the same card or account already instead of this one; answers whether."""
    same = SavedMethod.objects.filter(
        owner=user,
        account=method.account_id,
        company=method.company_id,
        kind=method.kind,
        fingerprint=method.fingerprint,
    ).exclude(state="removed")
    kept = same.first() if method.fingerprint else None
    if kept is None:
        return False
    for rows in (Attempt.objects, Setup.objects, Payment.objects):
        rows.filter(saved_method=method).update(saved_method=kept)
    SavedMethod.objects.filter(pk=kept.pk).update(
        brand=method.brand,
        last4=method.last4,
        expires_on=method.expires_on,
        former_ids=[*kept.former_ids, method.stripe_payment_method_id],
    )
    end_method(method, [], by="registration", by_id=method.owner_id, reason="it was saved before", now=now)
    return True


class RegistrationPayments:
    """The keeper of payments: everything of a registration that has no owner yet."""

    def describe(self, registration: Registration) -> list[str]:
        """Each payment and each saved method, a line."""
        paid = [describe_attempt(one) for one in list_attempts(registration).select_related("payment")]
        return paid + [f"Saved {method} for later payments" for method in list_methods(registration)]

    @transaction_required
    def lock(self, registration: Registration) -> None:
        """Lock what rests on its methods, then attempts, setups and methods."""
        for method in list_methods(registration):
            lock_method_uses(method)
        for rows in (list_attempts(registration), list_setups(registration), list_methods(registration)):
            list(rows.select_for_update(of=("self",)))

    @transaction_required
    def join(self, registration: Registration, user: User, *, now: datetime) -> None:
        """Make the person the owner. A company that has no default method gets one, if they see it."""
        list_attempts(registration).update(user=user)
        list_setups(registration).update(user=user)
        methods = [method for method in list_methods(registration) if not merge_method(method, user, now=now)]
        SavedMethod.objects.filter(pk__in=[method.pk for method in methods]).update(owner=user)
        for method in methods:
            enqueue_new_method_emails(method, by_id=user.pk, now=now)
        rows = SavedMethod.objects.filter(company=registration.company, state="active")
        sees = PayerAccess.objects.filter(user=user, company=registration.company, state="active").exists()
        if methods and sees and not rows.filter(is_default=True).exists():
            rows.filter(pk=methods[0].pk).update(is_default=True)
        events.announce("payments.registration.confirmed", registration_id=registration.pk)

    @transaction_required
    def discard(self, registration: Registration, *, by: str, now: datetime) -> None:
        """Remove its methods with all that rests on them, and tell the merchant of what it paid."""
        for method in list_methods(registration).select_related("company__merchant"):
            end_method(method, list_method_uses(method), by=by, reason="its address's owner did not save it", now=now)
        for attempt in list_attempts(registration).select_related("payment__merchant", "payment__company"):
            notify_merchant_of_payment(
                attempt.payment.merchant,
                attempt.payment,
                event=EventNotification.Event.PAYMENT_DISPUTED,
                key=f"registration:{attempt.pk}:rejected",
                title="Somebody says that a payment was not theirs",
                body=f"{attempt.money} for {attempt.payment} was paid by somebody who registered as "
                f"{registration.email}. The owner of that address says that it was not them. The money stays where it "
                "is; look into it before you deliver.",
                now=now,
            )


def list_attempts(registration: Registration) -> QuerySet[Attempt]:
    """Its attempts that paid, still may, or came back from a bank, and have no owner."""
    is_relevant = Q(state__in=USED_STATES) | Q(submitted_at__isnull=False)
    return Attempt.objects.filter(is_relevant, registration=registration, user=None).order_by("pk")


def list_setups(registration: Registration) -> QuerySet[Setup]:
    """Its setups that saved a method or still may, and have no owner."""
    return Setup.objects.filter(registration=registration, user=None, state__in=USED_STATES).order_by("pk")


def list_methods(registration: Registration) -> QuerySet[SavedMethod]:
    """The methods that it saved and nobody owns."""
    return SavedMethod.objects.filter(registration=registration, owner=None).exclude(state="removed").order_by("pk")


def describe_attempt(attempt: Attempt) -> str:
    """One payment, in words for the owner of the address."""
    paid = "Paid" if attempt.state in ("succeeded", "reversed") else "Began to pay"
    return f"{paid} {attempt.money} for {attempt.payment}{f' with {attempt.method}' if attempt.method else ''}"


@transaction_required
def record_operation_use(operation: GatewayOperation, *, now: datetime) -> None:
    """Record that a registration made this, so that its owner is asked; after a no its method goes at once."""
    if operation.registration_id is None or operation.user_id is not None:
        return
    registration = record_registration_use(operation.registration_id, now=now)
    if registration.state == "rejected":
        for method in list_methods(registration).select_related("company__merchant"):
            end_method(method, list_method_uses(method), by="registration", reason="it was rejected", now=now)


@transaction_required
def open_payer_access(operation: GatewayOperation, company: PayerCompany, *, now: datetime) -> None:
    """Give who was signed in and succeeded access to the company that they paid for."""
    if operation.user is not None and not getattr(operation, "is_off_session", False):
        open_access_after_payment(operation.user, company, now=now)
