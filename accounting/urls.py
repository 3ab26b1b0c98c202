"""Paths of the accounting floor, folder by folder."""

from django.urls import include, path

app_name = "accounting"
urlpatterns = [
    path("", include("accounting.mirror.urls")),
    path("", include("accounting.contacts.urls")),
    path("", include("accounting.configuration.urls")),
    path("", include("accounting.posting.urls")),
    path("", include("accounting.invoices.urls")),
    path("", include("accounting.credits.urls")),
    path("", include("accounting.payment_sync.urls")),
]
