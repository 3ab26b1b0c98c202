"""Paths of the tenant's own pages."""

from django.urls import path

from merchants import (
    audit_views,
    joining_views,
    list_views,
    paynow_views,
    people_views,
    privacy_views,
    role_views,
    views,
)
from merchants.terms import console_views

app_name = "merchants"
PEOPLE = "m/<slug:merchant_ref>/configure/people"
urlpatterns = [
    path("", views.home, name="home"),
    path("m/<slug:merchant_ref>/", views.dashboard, name="dashboard"),
    path("m/<slug:merchant_ref>/background", views.background_alert, name="background"),
    path("m/<slug:merchant_ref>/configure/merchants/", views.list_merchants, name="list"),
    path("m/<slug:merchant_ref>/configure/merchants/details", views.edit_details, name="details"),
    path("m/<slug:merchant_ref>/configure/merchants/paynow-links", paynow_views.paynow_links, name="paynow_links"),
    path(
        "m/<slug:merchant_ref>/configure/merchants/paynow-links/<slug:kind>",
        paynow_views.display_link,
        name="paynow_link",
    ),
    path(
        "m/<slug:merchant_ref>/configure/merchants/paynow-links/<slug:kind>/regenerate",
        paynow_views.warn_of_regenerating,
        name="regenerate_link",
    ),
    path("m/<slug:merchant_ref>/configure/event-notifications", views.edit_events, name="events"),
    path("m/<slug:merchant_ref>/configure/terms/", console_views.list_terms, name="terms"),
    path("m/<slug:merchant_ref>/configure/terms/<slug:kind>", console_views.edit_terms, name="terms_kind"),
    path("m/<slug:merchant_ref>/configure/merchants/privacy", privacy_views.edit_privacy, name="privacy"),
    path(
        "m/<slug:merchant_ref>/configure/merchants/sessions/<slug:user_ref>/end",
        privacy_views.end_member_sessions,
        name="end_sessions",
    ),
    path(f"{PEOPLE}/", people_views.list_people, name="people"),
    path(f"{PEOPLE}/invite", people_views.invite, name="invite"),
    path(
        f"{PEOPLE}/invitations/<slug:invitation_ref>/resend",
        people_views.resend_invitation,
        name="resend_invitation",
    ),
    path(
        f"{PEOPLE}/invitations/<slug:invitation_ref>/withdraw",
        people_views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path(f"{PEOPLE}/members/<slug:user_ref>", people_views.save_member, name="save_member"),
    path(f"{PEOPLE}/members/<slug:user_ref>/remove", people_views.delete_member, name="remove_member"),
    path(f"{PEOPLE}/roles/", role_views.list_roles, name="roles"),
    path(f"{PEOPLE}/roles/new", role_views.create_role, name="add_role"),
    path(f"{PEOPLE}/roles/<slug:role_ref>", role_views.edit_role, name="role"),
    path(f"{PEOPLE}/roles/<slug:role_ref>/delete", role_views.remove_role, name="delete_role"),
    path("m/<slug:merchant_ref>/my-role", role_views.show_own_role, name="my_role"),
    path("m/<slug:merchant_ref>/my-role/leave", role_views.leave, name="leave"),
    path("m/<slug:merchant_ref>/second-factor", role_views.ask_for_second_factor, name="second_factor"),
    path("join/", joining_views.join, name="join"),
    path("join/switch", joining_views.switch_person, name="join_switch"),
    path("join/<secret:token>", joining_views.open_link, name="join_link"),
    path("m/<slug:merchant_ref>/notifications/", views.notifications, name="notifications"),
    path("m/<slug:merchant_ref>/notifications/bell", views.bell, name="bell"),
    path("m/<slug:merchant_ref>/notifications/<int:pk>/read", views.read_notification, name="read_notification"),
    path("m/<slug:merchant_ref>/lists/<slug:list_name>/views", list_views.saved_views, name="saved_views"),
    path("m/<slug:merchant_ref>/audit", audit_views.audit_log, name="audit"),
    path("m/<slug:merchant_ref>/audit/export.csv", audit_views.export_audit_log, name="audit_export"),
]
