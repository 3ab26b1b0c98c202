"""Connections to other systems as a Django application."""

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """Registers with the floors below, and declares its events, once every model is loaded."""

    name = "connections"

    def ready(self) -> None:
        from connections import health_checks, personal_data  # noqa: F401
        from wisepay.events import declare

        declare("connections.connection.restored")
