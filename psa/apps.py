"""The PSA floor as a Django application."""

from django.apps import AppConfig

# The events after which a payment at PSA follows its attempt or refund, and the key of the message of each.
ATTEMPT_EVENTS = {
    "payments.attempt.submitted": "attempt:{attempt_id}:psa-submitted",
    "payments.attempt.rejected": "attempt:{attempt_id}:psa-rejected",
    "payments.attempt.reversed": "attempt:{attempt_id}:psa-reversed",
    "payments.payment.succeeded": "attempt:{attempt_id}:psa-succeeded",
}
REFUND_EVENTS = {
    "payments.refund.succeeded": "refund:{refund_id}:psa-succeeded",
    "payments.refund.reverted": "refund:{refund_id}:psa-reverted",
}


class PsaConfig(AppConfig):
    """Registers with the floors below, and subscribes to their events, once every model is loaded."""

    name = "psa"

    def ready(self) -> None:
        from psa import documents, handlers, health_checks, personal_data, timeline  # noqa: F401
        from psa.agreements import handlers as agreement_handlers  # noqa: F401
        from psa.agreements import invoice_terms  # noqa: F401
        from psa.invoice_sync import handlers as sync_handlers  # noqa: F401
        from wisepay.events import subscribe

        for event, key in ATTEMPT_EVENTS.items():
            subscribe(event, "psa.follow_attempt", key=key)
        for event, key in REFUND_EVENTS.items():
            subscribe(event, "psa.follow_refund", key=key)
        subscribe("accounting.payment_sync.finished", "psa.follow_payment_sync", key="payment-sync:{sync_id}:psa")
        subscribe(
            "accounting.allocation.changed",
            "psa.follow_allocation",
            key="allocation:{allocation_id}:psa",
            is_standing=True,
        )
