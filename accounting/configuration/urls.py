"""Paths of the accounting settings."""

from django.urls import path

from accounting.configuration import views

PREFIX = "m/<slug:merchant_ref>/configure/merchants/accounts"
urlpatterns = [
    path(PREFIX, views.edit_accounting_settings, name="accounts"),
    path(f"{PREFIX}/lists", views.reload_ledger_lists, name="read_lists"),
]
