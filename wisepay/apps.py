"""The ground as a Django application."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class WisepayConfig(AppConfig):
    """The lowest floor; its health checks and the audit log's receivers register themselves when they are imported."""

    name = "wisepay"
    default = True
    verbose_name = "Wise-Pay ground"

    def ready(self) -> None:
        from django.urls import register_converter

        from wisepay import checks, health_checks, page_findings  # noqa: F401
        from wisepay.accounts import audit_receivers, factor_secrets  # noqa: F401
        from wisepay.logs import SecretConverter, SecretSlugConverter
        from wisepay.personal_data import tables  # noqa: F401

        register_converter(SecretConverter, "secret")
        register_converter(SecretSlugConverter, "secret_slug")


class OperatorsAdminConfig(admin_apps.AdminConfig):
    """Django's admin, on a site that writes operators' acts down."""

    default = False
    default_site = "wisepay.admin_site.OperatorsSite"
