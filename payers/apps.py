"""The payers as a Django application."""

from django.apps import AppConfig


class PayersConfig(AppConfig):
    """Imports what registers itself with the floors below, once every model is loaded."""

    name = "payers"

    def ready(self) -> None:
        from payers import handlers, policies  # noqa: F401
