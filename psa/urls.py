"""Paths of the PSA floor."""

from django.urls import path

from psa import views, webhooks

app_name = "psa"
PREFIX = "m/<slug:merchant_ref>/configure/merchants/integrations/psa"
urlpatterns = [
    path("webhooks/psa/<slug:merchant_ref>/<secret_slug:secret>", webhooks.receive, name="callback"),
    path(PREFIX, views.edit_connection, name="connection"),
    path(f"{PREFIX}/verify", views.verify, name="verify"),
    path(f"{PREFIX}/settings", views.save_settings, name="settings"),
    path(f"{PREFIX}/disconnect", views.disconnect, name="disconnect"),
    path("m/<slug:merchant_ref>/psa/", views.list_payments, name="list"),
    path("m/<slug:merchant_ref>/psa/<slug:reference>", views.show_payment, name="payment"),
    path("m/<slug:merchant_ref>/psa/<slug:reference>/decisions", views.decide, name="decide"),
]
