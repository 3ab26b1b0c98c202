"""Paths of the mirror and of the ledgers' webhooks."""

from django.urls import path

from accounting.mirror import views, webhooks

urlpatterns = [
    path("webhooks/xero", webhooks.xero_webhook, name="xero_webhook"),
    path("webhooks/intuit", webhooks.intuit_webhook, name="intuit_webhook"),
    path("m/<slug:merchant_ref>/books/mirror", views.show_mirror, name="mirror"),
    path("m/<slug:merchant_ref>/download", views.download_status, name="download"),
    path("my/download", views.payer_download_status, name="payer_download"),
]
