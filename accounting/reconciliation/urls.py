"""The URLs of reconciliation."""

from django.urls import path, register_converter

from accounting.reconciliation import views


class DayConverter:
    """A day as the URLs write it."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(DayConverter, "day")
app_name = "reconciliation"
RECONCILIATION = "m/<slug:merchant_ref>/reconciliation/"
urlpatterns = [
    path(RECONCILIATION, views.overview, name="overview"),
    path(f"{RECONCILIATION}days/<day:day>", views.day_detail, name="day"),
    path(f"{RECONCILIATION}payouts/<slug:payout_id>", views.payout_detail, name="payout"),
    path(f"{RECONCILIATION}accounts", views.accounts, name="accounts"),
    path(f"{RECONCILIATION}export.csv", views.export, name="export"),
    path(f"{RECONCILIATION}readings", views.refresh, name="read"),
    path(f"{RECONCILIATION}acknowledgements", views.acknowledge_difference, name="acknowledge"),
    path(
        f"{RECONCILIATION}acknowledgements/<slug:acknowledgement_ref>/removals",
        views.reopen_difference,
        name="take_back",
    ),
]
