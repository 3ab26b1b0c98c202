"""Paths of what the books tell payers."""

from django.urls import path

from accounting import invoice_views, portal_notes

app_name = "payer_books"
urlpatterns = [
    path("my/outstanding", invoice_views.outstanding_payments, name="outstanding"),
    path("my/invoices/batch", invoice_views.batch, name="batch"),
    path("my/invoices/<slug:reference>", invoice_views.pay_invoice, name="pay_invoice"),
    path("my/invoices/<slug:reference>/pdf", invoice_views.print_pdf, name="print_pdf"),
    path("my/credit-notes", portal_notes.notes, name="notes"),
    path("my/payments/<slug:reference>/documents", portal_notes.documents, name="of_payment"),
]
