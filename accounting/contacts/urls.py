"""Paths of the companies and their contacts."""

from django.urls import path

from accounting.contacts import views

PREFIX = "m/<slug:merchant_ref>/payers/companies"
COMPANY = f"{PREFIX}/<slug:company_ref>/contact"
urlpatterns = [
    path(PREFIX, views.company_list, name="companies"),
    path(COMPANY, views.company_contact, name="company_contact"),
    path(f"{COMPANY}/remove", views.remove_contact, name="remove_contact"),
    path(f"{COMPANY}/undo", views.undo_change, name="undo_contact"),
    path("m/<slug:merchant_ref>/contacts/suggest", views.contact_suggestions, name="suggest_contacts"),
]
