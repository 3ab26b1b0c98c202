"""Paths of invoices and credit notes in the payer's portal."""

from django.urls import path

from accounting.invoices import document_views, views

app_name = "payer_books"
urlpatterns = [
    path("my/outstanding", views.outstanding_payments, name="outstanding"),
    path("my/invoices/batch", views.batch_payment, name="batch"),
    path("my/invoices/<slug:reference>", views.pay_invoice, name="pay_invoice"),
    path("my/invoices/<slug:reference>/pdf", views.print_pdf, name="print_pdf"),
    path("my/credit-notes", document_views.credit_note_numbers, name="notes"),
    path("my/payments/<slug:reference>/documents", document_views.payment_documents, name="of_payment"),
]
