"""Paths of the postings page."""

from django.urls import path

from accounting.posting import list_views, views

PREFIX = "m/<slug:merchant_ref>/postings/"
urlpatterns = [
    path(PREFIX, views.posting_list, name="postings"),
    path(f"{PREFIX}all/", list_views.list_postings, name="posted"),
    path(f"{PREFIX}all/export/<slug:format_name>", list_views.export_postings, name="export_postings"),
    path(f"{PREFIX}waiting", views.waiting_panel, name="waiting"),
    path(f"{PREFIX}retry", views.retry_all, name="retry"),
    path(f"{PREFIX}of/<slug:reference>", views.payment_postings, name="of_payment"),
    path(f"{PREFIX}tasks/<slug:reference>/done", views.finish_task, name="finish_task"),
    path(f"{PREFIX}tasks/<slug:reference>/open", views.reopen_task, name="reopen_task"),
]
