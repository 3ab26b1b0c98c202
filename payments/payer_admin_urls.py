"""Paths of Payer Admin."""

from django.urls import path

from payments import payer_admin_views as views

app_name = "payer_admin"
ADMIN = "m/<slug:merchant_ref>/payers/"
urlpatterns = [
    path(ADMIN, views.list_payers, name="list"),
    path(f"{ADMIN}add", views.add_payer, name="add"),
    path(f"{ADMIN}unmapped", views.unmapped, name="unmapped"),
    path(f"{ADMIN}companies/<slug:company_ref>/contact", views.map_to_contact, name="map"),
    path(f"{ADMIN}companies/<slug:company_ref>/name", views.rename, name="rename"),
    path(f"{ADMIN}p/<slug:user_ref>", views.payer_page, name="payer"),
    path(f"{ADMIN}p/<slug:user_ref>/companies", views.add_company, name="add_company"),
    path(f"{ADMIN}access/<slug:access_ref>/scope", views.set_scope, name="scope"),
    path(f"{ADMIN}access/<slug:access_ref>/welcome", views.resend_welcome, name="resend"),
    path(f"{ADMIN}access/<slug:access_ref>/remove", views.remove, name="remove"),
]
