"""Paths of Payer Admin."""

from django.urls import path

from payments.payer_admin import views

app_name = "payer_admin"
PREFIX = "m/<slug:merchant_ref>/payers/"
urlpatterns = [
    path(PREFIX, views.list_payers, name="list"),
    path(f"{PREFIX}add", views.add_payer, name="add"),
    path(f"{PREFIX}unmapped", views.unmapped, name="unmapped"),
    path(f"{PREFIX}companies/<slug:company_ref>/name", views.rename, name="rename"),
    path(f"{PREFIX}p/<slug:user_ref>", views.payer_detail, name="payer"),
    path(f"{PREFIX}p/<slug:user_ref>/companies", views.add_company, name="add_company"),
    path(f"{PREFIX}access/<slug:access_ref>/scope", views.set_scope, name="scope"),
    path(f"{PREFIX}access/<slug:access_ref>/welcome", views.resend_welcome, name="resend"),
    path(f"{PREFIX}access/<slug:access_ref>/remove", views.remove, name="remove"),
]
