"""The tenants as a Django application."""

from django.apps import AppConfig


class MerchantsConfig(AppConfig):
    """Imports what registers itself with the floors below, once every model is loaded."""

    name = "merchants"

    def ready(self) -> None:
        from merchants import personal_data, policies, services  # noqa: F401
