"""The payments as a Django application."""

from django.apps import AppConfig

EVENTS = (
    "payments.attempt.processing",
    "payments.attempt.submitted",  # a bank debit: the payer's bank has it
    "payments.attempt.rejected",  # a bank debit: the payer's bank refused it, days later
    "payments.attempt.ended",  # failed or cancelled, at once or days later
    "payments.attempt.reversed",  # the bank took money back that had arrived
    "payments.automatic_charge.ended",  # an attempt to charge an automatic payment, whoever started it
    "payments.payment.succeeded",
    "payments.setup.succeeded",
    "payments.setup.updated",
    "payments.method.saved",  # for the recurring part of a quote
    "payments.registration.confirmed",  # what somebody made before they proved their address is theirs now
    "payments.refund.succeeded",
    "payments.refund.reverted",  # it failed after it had succeeded
)


class PaymentsConfig(AppConfig):
    """Registers with the floors below, and declares its events, once every model is loaded."""

    name = "payments"

    def ready(self) -> None:
        from payers.registrations import register_contents
        from payments import gateway_accounts, handlers, personal_data, policies  # noqa: F401
        from payments.payment_pages import check  # noqa: F401
        from payments.registrations import RegistrationPayments
        from wisepay.events import declare

        for event in EVENTS:
            declare(event)
        register_contents(RegistrationPayments())
