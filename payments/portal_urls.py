"""Paths of the payer's portal; part of payments.urls."""

from django.urls import path

from payments import my_methods, my_methods_door, portal, portal_search

portal_paths = [
    path("my/", portal.home, name="portal"),
    path("my/past", portal.past_payments, name="past"),
    path("my/payments/<slug:reference>", portal.payment_page, name="my_payment"),
    path("my/payments/<slug:reference>/receipt", portal.receipt_page, name="receipt"),
    path("my/payments/<slug:reference>/receipt.pdf", portal.receipt_document, name="receipt_pdf"),
    path("my/transactions", portal_search.search, name="search"),
    path("my/transactions.csv", portal_search.export, name="export"),
    path("my/cards", my_methods.my_cards, name="my_cards"),
    path("my/bank-accounts", my_methods.my_bank_accounts, name="my_bank_accounts"),
    path("my/methods", my_methods_door.create_method, name="create_method"),
    path("my/methods/new", my_methods.add_method, name="add_method"),
    path("my/methods/added/<slug:setup_ref>/check", my_methods_door.check_method, name="check_method"),
    path("my/methods/added/<slug:setup_ref>/stop", my_methods_door.stop_method, name="stop_method"),
    path("my/methods/<slug:method_ref>/default", my_methods.make_default, name="default_method"),
    path("my/methods/<slug:method_ref>/share", my_methods.share, name="share_method"),
    path("my/methods/<slug:method_ref>/remove", my_methods.remove, name="remove_method"),
]
