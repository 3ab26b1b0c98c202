"""Paths of PayNow Links, for whoever has one."""

from django.urls import path

from accounting.paynow_links import views

app_name = "paynow_links"
urlpatterns = [
    path("l/<secret_slug:key>", views.find_by_number, name="find"),
    path("l/<secret_slug:key>/prepayments", views.prepay, name="prepay"),
    path("i/<secret:token>", views.pay_invoice, name="invoice"),
]
