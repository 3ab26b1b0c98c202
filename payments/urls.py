"""Paths of the payments floor."""

from django.urls import path

from payments import pay_now, views

app_name = "payments"
urlpatterns = [
    path("pay/<slug:reference>", pay_now.invoice_details, name="pay"),
    path("pay/<slug:reference>/guest", pay_now.guest, name="guest"),
    path("pay/<slug:reference>/attempts", pay_now.create_attempt, name="create_attempt"),
    path("pay/<slug:reference>/attempts/<slug:attempt_ref>/check", pay_now.check_attempt, name="check_attempt"),
    path("pay/<slug:reference>/attempts/<slug:attempt_ref>/stop", pay_now.stop_attempt, name="stop_attempt"),
    path("webhooks/stripe/<slug:merchant_ref>", views.stripe_webhook, name="stripe_webhook"),
    path("m/<slug:merchant_ref>/configure/merchants/gateway", views.edit_gateway, name="gateway"),
    path("m/<slug:merchant_ref>/payments/", views.list_payments, name="list"),
    path("m/<slug:merchant_ref>/payments/recent", views.recent_payments, name="recent"),
    path("m/<slug:merchant_ref>/payments/<slug:reference>", views.payment_detail, name="detail"),
]
