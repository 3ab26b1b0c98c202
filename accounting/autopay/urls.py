"""Paths of automatic payments: the merchant's console and the payer's portal."""

from django.urls import path

from accounting.autopay import mapping_views, portal_views, settings_views, views

app_name = "autopay"
MERCHANT = "m/<slug:merchant_ref>/"
PAYMENTS = f"{MERCHANT}automatic-payments/"
SETTINGS = f"{MERCHANT}configure/automatic-payments/"
COMPANY = f"{MERCHANT}payers/companies/<slug:company_ref>/autopay"
urlpatterns = [
    path(PAYMENTS, views.scheduled_list, name="list"),
    path(f"{PAYMENTS}totals", views.scheduled_totals, name="totals"),
    path(f"{PAYMENTS}export/<slug:format_name>", views.export_scheduled, name="export_list"),
    path(f"{PAYMENTS}panel", views.panel, name="panel"),
    path(f"{PAYMENTS}calendar", views.calendar, name="calendar"),
    path(f"{PAYMENTS}failures", views.failures, name="failures"),
    path(f"{PAYMENTS}failures/panel", views.failures_panel, name="failures_panel"),
    path(f"{PAYMENTS}unmatched", views.unmatched, name="unmatched"),
    path(f"{PAYMENTS}unmatched/panel", views.unmatched_panel, name="unmatched_panel"),
    path(f"{PAYMENTS}proposals", mapping_views.proposals, name="proposals"),
    path(f"{PAYMENTS}proposals/<slug:mapping_ref>/accept", mapping_views.accept, name="accept"),
    path(f"{PAYMENTS}proposals/<slug:mapping_ref>/dismiss", mapping_views.dismiss, name="dismiss"),
    path(f"{PAYMENTS}plan", views.queue, name="queue"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>", views.detail, name="detail"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/check", views.check, name="check"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/cancel", views.cancel, name="cancel"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/requeue", views.requeue, name="requeue"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/resolve", views.resolve, name="resolve"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/reopen", views.reopen, name="reopen"),
    path(SETTINGS, settings_views.edit_settings, name="settings"),
    path(f"{SETTINGS}terms/refresh", settings_views.refresh_terms, name="refresh_terms"),
    path(f"{SETTINGS}terms/add", settings_views.edit_term, name="add_term"),
    path(f"{SETTINGS}terms/<slug:term_ref>", settings_views.edit_term, name="term"),
    path(f"{SETTINGS}terms/<slug:term_ref>/remove", settings_views.remove_term, name="remove_term"),
    path(COMPANY, mapping_views.company_mappings, name="company"),
    path(f"{COMPANY}/<slug:mapping_ref>/end", mapping_views.end, name="end_mapping"),
    path("my/autopay", portal_views.my_mappings, name="my_mappings"),
    path("my/autopay/<slug:mapping_ref>/remove", portal_views.remove, name="my_remove"),
    path("my/autopay/<slug:mapping_ref>/answer", portal_views.answer_invitation, name="my_answer"),
    path("my/scheduled", portal_views.my_scheduled, name="my_scheduled"),
    path("my/scheduled/<slug:scheduled_ref>/check", portal_views.my_check, name="my_check"),
]
