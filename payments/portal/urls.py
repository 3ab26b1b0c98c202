"""Paths of the payer's portal."""

from django.urls import path

from payments.portal import method_api, method_views, receipt_views, search_views, views

urlpatterns = [
    path("pay/<slug:reference>/receipt", receipt_views.guest_receipt_page, name="guest_receipt"),
    path("pay/<slug:reference>/receipt.pdf", receipt_views.guest_receipt_document, name="guest_receipt_pdf"),
    path("my/", views.home, name="portal"),
    path("my/past", views.past_payments, name="past"),
    path("my/payments/<slug:reference>", views.payment_page, name="my_payment"),
    path("my/payments/<slug:reference>/paid", views.paid_page, name="paid"),
    path("my/payments/<slug:reference>/receipt", receipt_views.receipt_page, name="receipt"),
    path("my/payments/<slug:reference>/receipt.pdf", receipt_views.receipt_document, name="receipt_pdf"),
    path("my/transactions", search_views.search, name="search"),
    path("my/transactions.csv", search_views.export, name="export"),
    path("my/cards", method_views.my_cards, name="my_cards"),
    path("my/bank-accounts", method_views.my_bank_accounts, name="my_bank_accounts"),
    path("my/methods", method_api.create_method, name="create_method"),
    path("my/methods/new", method_views.add_method, name="add_method"),
    path("my/methods/added/<slug:setup_ref>/check", method_api.check_method, name="check_method"),
    path("my/methods/added/<slug:setup_ref>/stop", method_api.stop_method, name="stop_method"),
    path("my/methods/<slug:method_ref>/default", method_views.make_default, name="default_method"),
    path("my/methods/<slug:method_ref>/share", method_views.share, name="share_method"),
    path("my/methods/<slug:method_ref>/remove", method_views.remove, name="remove_method"),
]
