"""Paths of Credits to apply."""

from django.urls import path

from accounting.credits import views

PREFIX = "m/<slug:merchant_ref>/credits"
urlpatterns = [
    path(PREFIX, views.credits_to_apply, name="credits"),
    path(f"{PREFIX}/threshold", views.change_threshold, name="credit_threshold"),
    path(f"{PREFIX}/invoices/<slug:reference>", views.invoice_credits, name="invoice_credits"),
    path(f"{PREFIX}/invoices/<slug:reference>/applications", views.use_credit, name="use_credit"),
    path(f"{PREFIX}/<slug:reference>/decisions", views.decide_credit, name="decide_credit"),
]
