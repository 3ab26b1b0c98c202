"""Paths of what the books tell payers."""

from django.urls import path

from accounting import portal_notes

app_name = "payer_books"
urlpatterns = [
    path("my/credit-notes", portal_notes.notes, name="notes"),
    path("my/payments/<slug:reference>/documents", portal_notes.documents, name="of_payment"),
]
