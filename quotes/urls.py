"""Paths of the quotes floor."""

from django.urls import path, re_path

from quotes import cpq_views, link_views, list_views, views
from quotes.api import api, path_not_found

app_name = "quotes"
CPQ = "m/<slug:merchant_ref>/configure/merchants/integrations/cpq"
urlpatterns = [
    path("api/cpq/v1/docs", views.api_docs, name="api_docs"),
    path("api/cpq/v1/", path_not_found),
    path("api/cpq/v1/", api.urls),
    re_path(r"^api(?:/|$)", path_not_found),
    path("q/<slug:merchant_ref>", link_views.open_link, name="open_link"),
    path(CPQ, cpq_views.edit_cpq, name="cpq"),
    path(f"{CPQ}/check", cpq_views.check_cpq, name="check_cpq"),
    path(
        f"{CPQ}/settings",
        cpq_views.edit_settings,
        name="cpq_settings",
    ),
    path(f"{CPQ}/disconnect", cpq_views.disconnect, name="disconnect_cpq"),
    path(f"{CPQ}/test", cpq_views.test_link, name="test_link"),
    path(
        f"{CPQ}/confirm",
        cpq_views.confirm_link,
        name="confirm_link",
    ),
    path(
        f"{CPQ}/words",
        cpq_views.save_word,
        name="cpq_word",
    ),
    path("quotes/<secret_slug:reference>/return", views.return_to_quote, name="return"),
    path("m/<slug:merchant_ref>/configure/merchants/integrations", views.edit_integration, name="integration"),
    path("m/<slug:merchant_ref>/configure/merchants/integrations/key", views.display_key, name="display_key"),
    path("m/<slug:merchant_ref>/quotes/", list_views.list_quotes, name="list"),
    path("m/<slug:merchant_ref>/quotes/totals", list_views.quote_totals, name="totals"),
    path("m/<slug:merchant_ref>/quotes/export/<slug:format_name>", list_views.export_quotes, name="export_list"),
    path("m/<slug:merchant_ref>/quotes/refused", list_views.refused_quotes, name="refused"),
    path("m/<slug:merchant_ref>/quotes/companies/<slug:mismatch_ref>", views.settle_company, name="settle_company"),
    path("m/<slug:merchant_ref>/quotes/setup", views.setup_panel, name="setup"),
    path("m/<slug:merchant_ref>/quotes/timeline/<slug:reference>", views.quote_timeline, name="timeline"),
    path("m/<slug:merchant_ref>/quotes/callbacks/<slug:reference>", views.quote_callbacks, name="callbacks"),
]
