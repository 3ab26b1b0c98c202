"""Paths of the PSA floor."""

from django.urls import path

from psa import invoice_views, views, webhooks
from psa.agreements import views as agreement_views
from psa.invoice_sync import views as sync_views

app_name = "psa"
PREFIX = "m/<slug:merchant_ref>/configure/merchants/integrations/psa"
AGREEMENTS = "m/<slug:merchant_ref>/psa/agreements/"
SYNC = "m/<slug:merchant_ref>/psa/invoice-sync/"
urlpatterns = [
    path("webhooks/psa/<slug:merchant_ref>/<secret_slug:secret>", webhooks.receive, name="callback"),
    path(PREFIX, views.edit_connection, name="connection"),
    path(f"{PREFIX}/verify", views.verify, name="verify"),
    path(f"{PREFIX}/settings", views.save_settings, name="settings"),
    path(f"{PREFIX}/disconnect", views.disconnect, name="disconnect"),
    path(SYNC, sync_views.show_all, name="invoice_sync"),
    path(f"{SYNC}settings", sync_views.save_settings, name="invoice_sync_settings"),
    path(f"{SYNC}taxes", sync_views.save_taxes, name="invoice_sync_taxes"),
    path(f"{SYNC}<slug:reference>", sync_views.show, name="invoice_sync_run"),
    path(f"{SYNC}<slug:reference>/decisions", sync_views.decide, name="decide_invoice_sync"),
    path(f"{PREFIX}/terms", agreement_views.edit_terms, name="terms"),
    path(AGREEMENTS, agreement_views.list_all, name="agreements"),
    path(f"{AGREEMENTS}read", agreement_views.start_reading, name="read_agreements"),
    path(f"{AGREEMENTS}<slug:reference>", agreement_views.show, name="agreement"),
    path(f"{AGREEMENTS}<slug:reference>/decisions", agreement_views.decide, name="decide_agreement"),
    path("m/<slug:merchant_ref>/psa/", views.list_payments, name="list"),
    path("m/<slug:merchant_ref>/psa/invoices", invoice_views.list_invoices, name="invoices"),
    path("m/<slug:merchant_ref>/psa/invoices/<int:invoice_id>/join", invoice_views.join_invoice, name="join_invoice"),
    path("m/<slug:merchant_ref>/psa/sync", invoice_views.show_sync_report, name="sync_report"),
    path("m/<slug:merchant_ref>/psa/of/<slug:reference>", invoice_views.show_payment_steps, name="of_payment"),
    path("m/<slug:merchant_ref>/psa/<slug:reference>", views.show_payment, name="payment"),
    path("m/<slug:merchant_ref>/psa/<slug:reference>/decisions", views.decide, name="decide"),
]
