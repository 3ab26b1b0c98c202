"""The quotes as a Django application."""

from django.apps import AppConfig

# The events after which a quote follows its payment, and the key of the message of each.
OUTCOME_EVENTS = {
    "payments.attempt.processing": "attempt:{attempt_id}:processing",
    "payments.attempt.submitted": "attempt:{attempt_id}:submitted",
    "payments.attempt.ended": "attempt:{attempt_id}:ended",
    "payments.attempt.reversed": "attempt:{attempt_id}:reversed",
    "payments.payment.succeeded": "attempt:{attempt_id}:outcome",
    "payments.setup.updated": "setup:{setup_id}:{state}",
    "payments.setup.succeeded": "setup:{setup_id}:saved",
}


# The events after which CPQ is told how a payment stands, and the key of the message of each.
NOTE_EVENTS = {
    "payments.attempt.submitted": "attempt:{attempt_id}:note-submitted",
    "payments.attempt.ended": "attempt:{attempt_id}:note-ended",
    "payments.attempt.reversed": "attempt:{attempt_id}:note-reversed",
    "payments.payment.succeeded": "attempt:{attempt_id}:note-succeeded",
    "payments.setup.succeeded": "setup:{setup_id}:note-saved",
    "payments.refund.succeeded": "refund:{refund_id}:note-succeeded",
    "payments.refund.reverted": "refund:{refund_id}:note-reverted",
}


class QuotesConfig(AppConfig):
    """Registers with the floors below, and subscribes to their events, once every model is loaded."""

    name = "quotes"

    def ready(self) -> None:
        from quotes import (  # noqa: F401
            cpq_notes,
            health_checks,
            link_checks,
            pay_link_mails,
            personal_data,
            policies,
            services,
        )
        from wisepay.events import subscribe

        for event, key in OUTCOME_EVENTS.items():
            subscribe(event, "quotes.record_outcome", key=key)
        for event, key in NOTE_EVENTS.items():
            subscribe(event, "quotes.follow_cpq_note", key=key)
