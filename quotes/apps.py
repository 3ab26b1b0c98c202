"""The quotes as a Django application."""

from django.apps import AppConfig


class QuotesConfig(AppConfig):
    """Imports what registers itself with the floors below, once every model is loaded."""

    name = "quotes"

    def ready(self) -> None:
        from quotes import handlers, health_checks, policies  # noqa: F401
