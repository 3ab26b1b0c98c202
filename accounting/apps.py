"""Accounting as a Django application."""

from django.apps import AppConfig

# What goes on when a connection works again, and the key of its standing message.
WAITING_FOR_CONNECTION = {
    "accounting.drain_postings": "drain:{merchant_id}",
    "accounting.import_lists": "lists:{merchant_id}",
    "accounting.recall_contacts": "contacts:{merchant_id}",
    "accounting.look_at_tasks": "look:{merchant_id}",
    "accounting.retry_failed_readings": "retry-readings:{merchant_id}",
}


class AccountingConfig(AppConfig):
    """Registers with the floors below, and subscribes to their events, once every model is loaded."""

    name = "accounting"

    def ready(self) -> None:
        from accounting import handlers, health_checks, personal_data, policies  # noqa: F401
        from accounting.autopay.method_uses import AutoPayUse
        from payments.saved_methods.removal import register_method_use
        from wisepay.events import declare, subscribe

        declare("accounting.allocation.changed")
        declare("accounting.payment_sync.finished")
        subscribe("payments.attempt.submitted", "accounting.post_debit", key="attempt:{attempt_id}:draft")
        subscribe("payments.attempt.rejected", "accounting.drop_debit", key="attempt:{attempt_id}:drop")
        subscribe("payments.attempt.reversed", "accounting.reverse_payment", key="attempt:{attempt_id}:reverse")
        subscribe("payments.payment.succeeded", "accounting.post_payment", key="attempt:{attempt_id}:post")
        subscribe("payments.refund.succeeded", "accounting.post_refund", key="refund:{refund_id}:post")
        subscribe("payments.refund.reverted", "accounting.undo_refund", key="refund:{refund_id}:undo")
        subscribe("payments.method.saved", "accounting.map_from_payment", key="payment:{payment_id}:map")
        subscribe(
            "payments.automatic_charge.ended", "accounting.follow_charge", key="attempt:{attempt_id}:charge:{state}"
        )
        subscribe("payers.contact.changed", "accounting.follow_company", key="follow:{company_id}", is_standing=True)
        subscribe(
            "payments.registration.confirmed",
            "accounting.follow_registration",
            key="registration:{registration_id}:map",
            is_standing=True,
        )
        register_method_use(AutoPayUse())
        for handler, key in WAITING_FOR_CONNECTION.items():
            subscribe("connections.connection.restored", handler, key=key, is_standing=True)
