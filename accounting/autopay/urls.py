"""Paths of automatic payments: the merchant's console and the payer's portal."""

from django.urls import path

from accounting.autopay import console, mapping_pages, my_autopay, setting_pages

app_name = "autopay"
MERCHANT = "m/<slug:merchant_ref>/"
PAYMENTS = f"{MERCHANT}automatic-payments/"
SETTINGS = f"{MERCHANT}configure/automatic-payments/"
COMPANY = f"{MERCHANT}payers/companies/<slug:company_ref>/autopay"
urlpatterns = [
    path(PAYMENTS, console.scheduled_list, name="list"),
    path(f"{PAYMENTS}panel", console.panel, name="panel"),
    path(f"{PAYMENTS}calendar", console.calendar, name="calendar"),
    path(f"{PAYMENTS}failures", console.failures, name="failures"),
    path(f"{PAYMENTS}failures/panel", console.failures_panel, name="failures_panel"),
    path(f"{PAYMENTS}unmatched", console.unmatched, name="unmatched"),
    path(f"{PAYMENTS}unmatched/panel", console.unmatched_panel, name="unmatched_panel"),
    path(f"{PAYMENTS}proposals", mapping_pages.proposals, name="proposals"),
    path(f"{PAYMENTS}proposals/<slug:mapping_ref>/accept", mapping_pages.accept, name="accept"),
    path(f"{PAYMENTS}proposals/<slug:mapping_ref>/dismiss", mapping_pages.dismiss, name="dismiss"),
    path(f"{PAYMENTS}plan", console.queue, name="queue"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>", console.detail, name="detail"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/check", console.check, name="check"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/cancel", console.cancel, name="cancel"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/requeue", console.requeue, name="requeue"),
    path(f"{PAYMENTS}p/<slug:scheduled_ref>/resolve", console.resolve, name="resolve"),
    path(SETTINGS, setting_pages.edit_settings, name="settings"),
    path(f"{SETTINGS}terms/refresh", setting_pages.refresh_terms, name="refresh_terms"),
    path(f"{SETTINGS}terms/add", setting_pages.edit_term, name="add_term"),
    path(f"{SETTINGS}terms/<slug:term_ref>", setting_pages.edit_term, name="term"),
    path(f"{SETTINGS}terms/<slug:term_ref>/remove", setting_pages.remove_term, name="remove_term"),
    path(COMPANY, mapping_pages.company_mappings, name="company"),
    path(f"{COMPANY}/<slug:mapping_ref>/end", mapping_pages.end, name="end_mapping"),
    path("my/autopay", my_autopay.my_mappings, name="my_mappings"),
    path("my/autopay/<slug:mapping_ref>/remove", my_autopay.remove, name="my_remove"),
    path("my/scheduled", my_autopay.my_scheduled, name="my_scheduled"),
    path("my/scheduled/<slug:scheduled_ref>/check", my_autopay.my_check, name="my_check"),
]
