"""The ground as a Django application."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WisepayConfig(AppConfig):
    """Finds every floor's outbox handlers, health checks and policies once Django is ready."""

    name = "wisepay"
    verbose_name = "Wise-Pay ground"

    def ready(self) -> None:
        autodiscover_modules("handlers", "health_checks", "policies")
