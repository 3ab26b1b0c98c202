"""Accounting as a Django application."""

from django.apps import AppConfig


class AccountingConfig(AppConfig):
    """Imports what registers itself with the floors below, once every model is loaded."""

    name = "accounting"

    def ready(self) -> None:
        from accounting import handlers, health_checks, policies  # noqa: F401
