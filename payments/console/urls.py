"""Paths of payments in the merchant's console."""

from django.urls import path

from payments.console import refund_views, views

PREFIX = "m/<slug:merchant_ref>/payments/"
urlpatterns = [
    path("m/<slug:merchant_ref>/configure/merchants/gateway", views.edit_gateway, name="gateway"),
    path(
        "m/<slug:merchant_ref>/configure/merchants/gateway/<slug:account_id>/<slug:mode>",
        views.change_account,
        name="change_account",
    ),
    path(PREFIX, views.list_payments, name="list"),
    path(f"{PREFIX}resume", views.resume_payments, name="resume"),
    path(f"{PREFIX}recent", views.recent_payments, name="recent"),
    path(f"{PREFIX}return-rates", views.return_rates, name="return_rates"),
    path(f"{PREFIX}<slug:reference>", views.payment_detail, name="detail"),
    path(f"{PREFIX}<slug:reference>/refunds", refund_views.refunds_panel, name="refunds_panel"),
    path(f"{PREFIX}<slug:reference>/refunds", refund_views.refunds_panel, name="refund"),
]
