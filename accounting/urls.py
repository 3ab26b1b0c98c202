"""Paths of the accounting floor."""

from django.urls import path

from accounting import views

app_name = "accounting"
urlpatterns = [
    path("m/<slug:merchant_ref>/configure/merchants/accounts", views.edit_accounts, name="accounts"),
    path("m/<slug:merchant_ref>/configure/merchants/accounts/lists", views.read_lists, name="read_lists"),
    path("m/<slug:merchant_ref>/postings/", views.postings, name="postings"),
    path("m/<slug:merchant_ref>/postings/waiting", views.waiting_panel, name="waiting"),
    path("m/<slug:merchant_ref>/postings/retry", views.retry, name="retry"),
    path("m/<slug:merchant_ref>/postings/of/<slug:reference>", views.payment_postings, name="of_payment"),
    path("m/<slug:merchant_ref>/postings/tasks/<slug:reference>/done", views.finish_task, name="finish_task"),
    path("m/<slug:merchant_ref>/download", views.download, name="download"),
    path("m/<slug:merchant_ref>/contacts/suggest", views.suggest_contacts, name="suggest_contacts"),
    path("my/download", views.payer_download, name="payer_download"),
]
