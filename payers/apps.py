"""The payers as a Django application."""

from django.apps import AppConfig


class PayersConfig(AppConfig):
    """Registers with the floors below, and declares its events, once every model is loaded."""

    name = "payers"

    def ready(self) -> None:
        from payers import handlers, personal_data, policies  # noqa: F401
        from wisepay.events import declare

        declare("payers.contact.changed")
