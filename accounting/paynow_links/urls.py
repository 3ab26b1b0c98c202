"""Paths of PayNow Links, for whoever has one."""

from django.urls import path

from accounting.paynow_links import console_views, views

app_name = "paynow_links"
urlpatterns = [
    path(
        "m/<slug:merchant_ref>/configure/merchants/paynow-links/xero/buttons",
        console_views.pay_buttons,
        name="pay_buttons",
    ),
    path("l/<secret_slug:key>", views.find_by_number, name="find"),
    path("l/<secret_slug:key>/prepayments", views.prepay, name="prepay"),
    path("i/<secret:token>", views.pay_invoice, name="invoice"),
]
