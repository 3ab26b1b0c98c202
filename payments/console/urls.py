"""Paths of payments in the merchant's console."""

from django.urls import path

from payments.console import list_views, refund_views, views

PREFIX = "m/<slug:merchant_ref>/payments/"
urlpatterns = [
    path("m/<slug:merchant_ref>/configure/merchants/gateway", views.edit_gateway, name="gateway"),
    path(
        "m/<slug:merchant_ref>/configure/merchants/gateway/<slug:account_id>/<slug:mode>",
        views.change_account,
        name="change_account",
    ),
    path(PREFIX, list_views.list_payments, name="list"),
    path(f"{PREFIX}totals", list_views.payment_totals, name="totals"),
    path(f"{PREFIX}export/<slug:format_name>", list_views.export_payments, name="export_list"),
    path(f"{PREFIX}payouts/", list_views.list_payouts, name="payouts"),
    path(f"{PREFIX}payouts/totals", list_views.payout_totals, name="payout_totals"),
    path(f"{PREFIX}payouts/export/<slug:format_name>", list_views.export_payouts, name="export_payouts"),
    path(f"{PREFIX}disputes/", list_views.list_disputes, name="disputes"),
    path(f"{PREFIX}disputes/export/<slug:format_name>", list_views.export_disputes, name="export_disputes"),
    path(f"{PREFIX}resume", views.resume_payments, name="resume"),
    path(f"{PREFIX}recent", views.recent_payments, name="recent"),
    path(f"{PREFIX}return-rates", views.return_rates, name="return_rates"),
    path(f"{PREFIX}<slug:reference>", views.payment_detail, name="detail"),
    path(f"{PREFIX}<slug:reference>/refunds", refund_views.refunds_panel, name="refunds_panel"),
    path(f"{PREFIX}<slug:reference>/refunds", refund_views.refunds_panel, name="refund"),
]
