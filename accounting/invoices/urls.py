"""Paths of unprocessed payments in the merchant's console."""

from django.urls import path

from accounting.invoices import unprocessed_views

PREFIX = "m/<slug:merchant_ref>/unprocessed"
urlpatterns = [
    path(PREFIX, unprocessed_views.unprocessed_payments, name="unprocessed"),
    path(f"{PREFIX}/<slug:reference>/decisions", unprocessed_views.decide_unprocessed, name="decide"),
]
