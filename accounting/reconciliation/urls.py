"""Paths of reconciliation."""

from django.urls import path, register_converter

from accounting.reconciliation import views


class DayConverter:
    """A day as the paths write it."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(DayConverter, "day")
app_name = "reconciliation"
HERE = "m/<slug:merchant_ref>/reconciliation/"
urlpatterns = [
    path(HERE, views.overview, name="overview"),
    path(f"{HERE}days/<day:day>", views.one_day, name="day"),
    path(f"{HERE}payouts/<slug:payout_id>", views.one_payout, name="payout"),
    path(f"{HERE}accounts", views.accounts, name="accounts"),
    path(f"{HERE}export.csv", views.export, name="export"),
    path(f"{HERE}readings", views.read_again, name="read"),
    path(f"{HERE}acknowledgements", views.acknowledge_difference, name="acknowledge"),
    path(f"{HERE}acknowledgements/<slug:word_ref>/removals", views.take_word_back, name="take_back"),
]
