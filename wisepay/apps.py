"""The ground as a Django application."""

from django.apps import AppConfig


class WisepayConfig(AppConfig):
    """The lowest floor; its own health checks register themselves when they are imported."""

    name = "wisepay"
    verbose_name = "Wise-Pay ground"

    def ready(self) -> None:
        from wisepay import checks, health_checks  # noqa: F401
