"""Tables of Sync Invoices: its settings, the table of tax codes, and every run with each of its rows."""

from datetime import date, datetime
from typing import Any

from django.db import models

from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint

SYNC_TRANSITIONS = {
    "reading": frozenset({"ready", "failed"}),
    "ready": frozenset({"running", "cancelled"}),
    "running": frozenset({"finished", "failed"}),
    "failed": frozenset({"running"}),
}
# `planned` is made when the run is confirmed. From `sent` only the ledger's own word leads on.
ROW_TRANSITIONS = {
    "planned": frozenset({"sent", "present", "blocked"}),
    "sent": frozenset({"posted", "rejected", "planned"}),
}
LIVE_ROWS = ("sent", "posted")


class InvoiceSyncSettings(models.Model):
    """Whether a merchant uses Sync Invoices, and what its lines are booked to in the organisation that it chose for."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="invoice_sync_settings")
    is_enabled = models.BooleanField(default=False)
    organisation_id = models.CharField(max_length=60, blank=True, help_text="Whose account or item it is.")
    account = models.CharField(max_length=20, blank=True, help_text="The code of the income account of each line.")
    item = models.CharField(max_length=60, blank=True, help_text="What each line sells, in books that need it.")

    class Meta:
        verbose_name_plural = "invoice sync settings"

    def __str__(self) -> str:
        return f"Sync Invoices of {self.merchant}"

    def is_for(self, organisation_id: str) -> bool:
        """Whether an account or item was chosen for that organisation."""
        return bool(self.account or self.item) and self.organisation_id == organisation_id


class PsaTaxCode(models.Model):
    """A tax code of PSA on invoices with tax, or without, and which tax code of the books it is, once a person said."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    psa_organisation = models.CharField(max_length=190)
    organisation_id = models.CharField(max_length=60)
    tax_code_id = models.BigIntegerField(help_text="0 is an invoice without one.")
    is_taxed = models.BooleanField()
    name = models.CharField(max_length=120)
    ledger_code = models.CharField(max_length=60, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "psa_organisation", "organisation_id", "tax_code_id", "is_taxed"],
                name="one_row_per_psa_tax_code",
            ),
            models.CheckConstraint(
                condition=models.Q(ledger_code="") | models.Q(decided_at__isnull=False), name="psa_tax_code_not_guessed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'No tax code'}, {'with' if self.is_taxed else 'without'} tax"


class InvoiceSync(Stateful):
    """One run: it reads, waits with its preview for a person, and makes what the preview showed.

    `organisation_id` is the books', `psa_organisation` the PSA's. `error` is a sentence for a person.
    """

    TRANSITIONS = SYNC_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="invoice_syncs")
    psa_organisation = models.CharField(max_length=190)
    organisation_id = models.CharField(max_length=60, blank=True)
    since = models.DateField(help_text="Invoices from this day on.")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    confirmed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="A worker has it until then.")
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(SYNC_TRANSITIONS, name="invoice_sync_state"),
            models.UniqueConstraint(
                fields=["merchant"],
                condition=models.Q(state__in=["reading", "ready", "running"]),
                name="one_live_invoice_sync",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["running", "finished"]) | models.Q(confirmed_at__isnull=False),
                name="invoice_sync_was_confirmed",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="invoice_sync_of_merchant")]

    def __str__(self) -> str:
        return f"Sync Invoices of {self.merchant} from {self.since}"

    def is_leased(self, now: datetime) -> bool:
        """Whether a worker has it."""
        return self.lease_until is not None and now < self.lease_until


class InvoiceSyncRow(Stateful):
    """One invoice of PSA in a run, as it was read, and what becomes of it in the books.

    Amounts are minor units of `currency`, None where they can't be read; `lines` are dicts of description and amount
    without tax. `reason` says why it is `blocked`, `present` or `rejected`, or what to look at though it is `posted`.
    """

    TRANSITIONS = ROW_TRANSITIONS

    sync = models.ForeignKey(InvoiceSync, on_delete=models.CASCADE, related_name="rows")
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    psa_organisation = models.CharField(max_length=190)
    organisation_id = models.CharField(max_length=60)
    invoice_id = models.BigIntegerField()
    number = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    psa_company_id = models.BigIntegerField(default=0)
    psa_company = models.CharField(max_length=120, blank=True)
    company = models.ForeignKey(PayerCompany, on_delete=models.SET_NULL, null=True, related_name="+")
    contact_id = models.CharField(max_length=60, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    balance = models.BigIntegerField(null=True, help_text="What was owed at PSA.")
    subtotal = models.BigIntegerField(null=True)
    tax = models.BigIntegerField(null=True)
    total = models.BigIntegerField(null=True)
    issued_on = models.DateField(null=True)
    due_on = models.DateField(null=True)
    remark = models.CharField(max_length=120, blank=True)
    tax_code_id = models.BigIntegerField(default=0)
    tax_code_name = models.CharField(max_length=120, blank=True)
    ledger_tax_code = models.CharField(max_length=60, blank=True)
    lines = models.JSONField(default=list)
    changed_at = models.DateTimeField(null=True, help_text="When PSA changed it last.")
    reason = models.CharField(max_length=300, blank=True)
    ledger_id = models.CharField(max_length=60, blank=True)
    sent_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True, help_text="The total in the books was compared.")

    class Meta:
        constraints = [
            build_state_constraint(ROW_TRANSITIONS, name="invoice_sync_row_state"),
            models.UniqueConstraint(fields=["sync", "invoice_id"], name="one_row_per_invoice_of_a_sync"),
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "psa_organisation", "invoice_id"],
                condition=models.Q(state__in=LIVE_ROWS),
                name="an_invoice_is_made_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["planned", *LIVE_ROWS])
                | models.Q(total__gt=0, subtotal__isnull=False, tax__isnull=False, issued_on__isnull=False)
                & models.Q(total=models.F("subtotal") + models.F("tax"))
                & models.Q(balance=models.F("total"))
                & ~models.Q(number="")
                & ~models.Q(contact_id="")
                & ~models.Q(ledger_tax_code=""),
                name="what_is_made_adds_up",
            ),
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "ledger_id"],
                condition=models.Q(state="posted"),
                name="one_invoice_of_psa_per_made_invoice",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="posted") | ~models.Q(ledger_id=""), name="posted_invoice_has_an_id"
            ),
        ]
        indexes = [models.Index(fields=["sync", "state", "id"], name="invoice_sync_rows")]

    def __str__(self) -> str:
        return self.number or str(self.invoice_id)

    @property
    def money(self) -> Money | None:
        """The total with tax."""
        return None if self.total is None else Money(self.total, self.currency)

    @property
    def facts(self) -> dict[str, Any]:
        """What was read of it and must still be so when it is made."""
        names = ("number", "kind", "psa_company_id", "currency", "subtotal", "tax", "total", "balance", "tax_code_id")
        return {name: getattr(self, name) for name in (*names, "lines", "issued_on", "due_on", "remark")}

    @property
    def target(self) -> tuple[int | None, str, str]:
        """Whose it becomes in the books, and under which tax code: what people chose here."""
        return self.company_id, self.contact_id, self.ledger_tax_code

    def get_day(self) -> date:
        """The day of the invoice. Raises ValueError where PSA names none."""
        if self.issued_on is None:
            raise ValueError(f"invoice {self} has no day")
        return self.issued_on
