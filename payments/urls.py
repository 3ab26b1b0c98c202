"""Paths of the payments floor."""

from django.urls import path

from payments import pay_door, pay_now, refund_views, views
from payments.portal_urls import portal_paths

app_name = "payments"
CHARGING, SAVING = {"orders": pay_door.CHARGING}, {"orders": pay_door.SAVING}
urlpatterns = [
    path("pay/<slug:reference>", pay_now.invoice_details, name="pay"),
    path("pay/<slug:reference>/guest", pay_now.guest, name="guest"),
    path("pay/<slug:reference>/register", pay_now.register, name="register"),
    path("pay/<slug:reference>/checkout", pay_now.checkout, name="checkout"),
    path("pay/<slug:reference>/attempts", pay_door.create, CHARGING, name="create_attempt"),
    path("pay/<slug:reference>/attempts/<slug:talk_ref>/check", pay_door.check, CHARGING, name="check_attempt"),
    path("pay/<slug:reference>/attempts/<slug:talk_ref>/stop", pay_door.stop, CHARGING, name="stop_attempt"),
    path("pay/<slug:reference>/setups", pay_door.create, SAVING, name="create_setup"),
    path("pay/<slug:reference>/setups/<slug:talk_ref>/check", pay_door.check, SAVING, name="check_setup"),
    path("pay/<slug:reference>/setups/<slug:talk_ref>/stop", pay_door.stop, SAVING, name="stop_setup"),
    path("webhooks/stripe/<slug:merchant_ref>", views.stripe_webhook, name="stripe_webhook"),
    path("m/<slug:merchant_ref>/configure/merchants/gateway", views.edit_gateway, name="gateway"),
    path("m/<slug:merchant_ref>/payments/", views.list_payments, name="list"),
    path("m/<slug:merchant_ref>/payments/recent", views.recent_payments, name="recent"),
    path("m/<slug:merchant_ref>/payments/<slug:reference>", views.payment_detail, name="detail"),
    path("m/<slug:merchant_ref>/payments/<slug:reference>/refunds", refund_views.refunds, name="refunds_panel"),
    path("m/<slug:merchant_ref>/payments/<slug:reference>/refunds", refund_views.refunds, name="refund"),
    *portal_paths,
]
