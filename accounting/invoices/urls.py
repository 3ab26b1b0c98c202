"""Paths of invoices and unprocessed payments in the merchant's console."""

from django.urls import path

from accounting.invoices import list_views, unprocessed_views

PREFIX = "m/<slug:merchant_ref>/unprocessed"
INVOICES = "m/<slug:merchant_ref>/invoices/"
urlpatterns = [
    path(INVOICES, list_views.list_invoices, name="invoices"),
    path(f"{INVOICES}totals", list_views.invoice_totals, name="invoice_totals"),
    path(f"{INVOICES}export/<slug:format_name>", list_views.export_invoices, name="export_invoices"),
    path(PREFIX, unprocessed_views.unprocessed_payments, name="unprocessed"),
    path(f"{PREFIX}/<slug:reference>/decisions", unprocessed_views.decide_unprocessed, name="decide"),
]
