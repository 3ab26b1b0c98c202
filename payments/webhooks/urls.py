"""The path of the gateway's webhooks."""

from django.urls import path

from payments.webhooks import views

urlpatterns = [path("webhooks/stripe/<slug:merchant_ref>", views.stripe_webhook, name="stripe_webhook")]
