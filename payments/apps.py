"""The payments as a Django application."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Imports what registers itself with the floors below, once every model is loaded."""

    name = "payments"

    def ready(self) -> None:
        from payments import handlers, health_checks, policies  # noqa: F401
