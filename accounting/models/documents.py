"""Invoice PDFs that were read from the ledger, kept for a while."""

from django.db import models

from accounting.models.mirror import LedgerInvoice


class InvoiceDocument(models.Model):
    """The PDF of one version of an invoice. A copy: it can be deleted at any time, and is read again when asked for."""

    invoice = models.OneToOneField(LedgerInvoice, on_delete=models.CASCADE, related_name="document")
    version = models.DateTimeField(help_text="When the ledger had changed the invoice last.")
    content = models.BinaryField()
    size = models.PositiveIntegerField(help_text="Bytes.")
    read_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["read_at"], name="document_read")]

    def __str__(self) -> str:
        return f"Document of {self.invoice}"
