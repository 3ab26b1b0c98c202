"""Paths of the payments floor, folder by folder."""

from django.urls import include, path

app_name = "payments"
urlpatterns = [
    path("", include("payments.checkout.urls")),
    path("", include("payments.webhooks.urls")),
    path("", include("payments.console.urls")),
    path("", include("payments.portal.urls")),
]
