"""Paths of the accounting floor."""

from django.urls import path

from accounting import crediting_views, mirror_page, payment_sync_views, unprocessed_views, views, webhooks

app_name = "accounting"
urlpatterns = [
    path("webhooks/xero", webhooks.xero_webhook, name="xero_webhook"),
    path("webhooks/intuit", webhooks.intuit_webhook, name="intuit_webhook"),
    path("m/<slug:merchant_ref>/books/mirror", mirror_page.mirror, name="mirror"),
    path("m/<slug:merchant_ref>/configure/merchants/accounts", views.edit_accounts, name="accounts"),
    path("m/<slug:merchant_ref>/configure/merchants/accounts/lists", views.read_lists, name="read_lists"),
    path("m/<slug:merchant_ref>/postings/", views.postings, name="postings"),
    path("m/<slug:merchant_ref>/postings/waiting", views.waiting_panel, name="waiting"),
    path("m/<slug:merchant_ref>/postings/retry", views.retry, name="retry"),
    path("m/<slug:merchant_ref>/postings/of/<slug:reference>", views.payment_postings, name="of_payment"),
    path("m/<slug:merchant_ref>/postings/tasks/<slug:reference>/done", views.finish_task, name="finish_task"),
    path("m/<slug:merchant_ref>/unprocessed", unprocessed_views.unprocessed, name="unprocessed"),
    path("m/<slug:merchant_ref>/unprocessed/<slug:reference>/decisions", unprocessed_views.decide, name="decide"),
    path("m/<slug:merchant_ref>/credits", crediting_views.credits_to_apply, name="credits"),
    path("m/<slug:merchant_ref>/credits/threshold", crediting_views.change_threshold, name="credit_threshold"),
    path(
        "m/<slug:merchant_ref>/credits/<slug:reference>/decisions", crediting_views.decide_credit, name="decide_credit"
    ),
    path("m/<slug:merchant_ref>/books/sync", payment_sync_views.payment_sync, name="payment_sync"),
    path("m/<slug:merchant_ref>/download", views.download, name="download"),
    path("m/<slug:merchant_ref>/contacts/suggest", views.suggest_contacts, name="suggest_contacts"),
    path("my/download", views.payer_download, name="payer_download"),
]
