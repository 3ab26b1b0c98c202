"""Connections to other systems as a Django application."""

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """Imports what registers itself with the floors below, once every model is loaded."""

    name = "connections"

    def ready(self) -> None:
        from connections import health_checks  # noqa: F401
