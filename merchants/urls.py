"""Paths of the tenant's own pages."""

from django.urls import path

from merchants import audit_views, people_views, privacy_views, views
from merchants.terms import console_views

app_name = "merchants"
urlpatterns = [
    path("", views.home, name="home"),
    path("m/<slug:merchant_ref>/", views.dashboard, name="dashboard"),
    path("m/<slug:merchant_ref>/background", views.background_alert, name="background"),
    path("m/<slug:merchant_ref>/configure/merchants/", views.list_merchants, name="list"),
    path("m/<slug:merchant_ref>/configure/merchants/details", views.edit_details, name="details"),
    path("m/<slug:merchant_ref>/configure/merchants/paynow-links", views.paynow_links, name="paynow_links"),
    path("m/<slug:merchant_ref>/configure/event-notifications", views.edit_events, name="events"),
    path("m/<slug:merchant_ref>/configure/terms/", console_views.list_terms, name="terms"),
    path("m/<slug:merchant_ref>/configure/terms/<slug:kind>", console_views.edit_terms, name="terms_kind"),
    path("m/<slug:merchant_ref>/configure/merchants/privacy", privacy_views.edit_privacy, name="privacy"),
    path(
        "m/<slug:merchant_ref>/configure/merchants/sessions/<slug:user_ref>/end",
        privacy_views.end_member_sessions,
        name="end_sessions",
    ),
    path("m/<slug:merchant_ref>/configure/merchants/people", people_views.list_people, name="people"),
    path(
        "m/<slug:merchant_ref>/configure/merchants/people/<slug:user_ref>",
        people_views.save_member,
        name="save_member",
    ),
    path(
        "m/<slug:merchant_ref>/configure/merchants/people/<slug:user_ref>/remove",
        people_views.remove_member,
        name="remove_member",
    ),
    path("m/<slug:merchant_ref>/notifications/", views.notifications, name="notifications"),
    path("m/<slug:merchant_ref>/notifications/bell", views.bell, name="bell"),
    path("m/<slug:merchant_ref>/notifications/<int:pk>/read", views.read_notification, name="read_notification"),
    path("m/<slug:merchant_ref>/audit", audit_views.audit_log, name="audit"),
    path("m/<slug:merchant_ref>/audit/export.csv", audit_views.export_audit_log, name="audit_export"),
]
