"""Tables of PSA's agreements: what was read of them, and what people said that PSA's terms and companies are here."""

from django.db import models

from accounting.models import AutoPayMapping, BillingTerm
from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.cursors import ReadCursor
from wisepay.models import User
from wisepay.money import Money
from wisepay.outbox import Retry
from wisepay.states import Stateful, build_state_constraint

# `asked`: a mapping of it was proposed to the payer, whose answer is the mapping's own state.
AGREEMENT_TRANSITIONS = {
    "open": frozenset({"asked", "dismissed"}),
    "asked": frozenset({"open"}),
    "dismissed": frozenset({"open"}),
}


class PsaBillingTerm(models.Model):
    """A billing term of PSA. `billing_term` is what a person said that it means here; None with `decided_at` is none.

    `organisation_id` names the PSA that has it: the ids of another one mean other things.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    organisation_id = models.CharField(max_length=190)
    term_id = models.BigIntegerField()
    name = models.CharField(max_length=120)
    due_days = models.IntegerField(null=True)
    billing_term = models.ForeignKey(BillingTerm, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    is_gone = models.BooleanField(default=False)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "organisation_id", "term_id"], name="one_row_per_psa_term"),
            models.CheckConstraint(
                condition=models.Q(billing_term=None) | models.Q(decided_at__isnull=False), name="psa_term_not_guessed"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PsaCompanyLink(models.Model):
    """Which payer company a company of PSA is, by its id, as a person said."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    organisation_id = models.CharField(max_length=190)
    psa_company_id = models.BigIntegerField()
    name = models.CharField(max_length=120, help_text="At PSA, when it was linked.")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="psa_companies")
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "psa_company_id"], name="one_link_per_psa_company"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.company}"


class PsaAgreement(Stateful):
    """An agreement of PSA as it was last read, and whether a mapping of it was proposed to its payer.

    `psa_company_id` is who pays. `amount` is in minor units of `currency`; None where PSA names none or none readable.
    """

    TRANSITIONS = AGREEMENT_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="psa_agreements")
    organisation_id = models.CharField(max_length=190)
    agreement_id = models.BigIntegerField()
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=120, blank=True, help_text="PSA's type of agreement.")
    status = models.CharField(max_length=40, blank=True, help_text="PSA's own word.")
    is_active = models.BooleanField(default=False)
    psa_company_id = models.BigIntegerField()
    psa_company = models.CharField(max_length=120, blank=True)
    term_id = models.BigIntegerField(default=0)
    term_name = models.CharField(max_length=120, blank=True)
    cycle = models.CharField(max_length=120, blank=True)
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    starts_on = models.DateField(null=True)
    ends_on = models.DateField(null=True)
    next_invoice_on = models.DateField(null=True)
    opportunity_id = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(null=True, help_text="When PSA changed it last.")
    read_at = models.DateTimeField()
    is_gone = models.BooleanField(default=False, help_text="A whole reading did not find it any more.")
    mapping = models.ForeignKey(AutoPayMapping, on_delete=models.SET_NULL, null=True, related_name="psa_agreements")
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            build_state_constraint(AGREEMENT_TRANSITIONS, name="psa_agreement_state"),
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "agreement_id"], name="one_row_per_psa_agreement"
            ),
            models.CheckConstraint(
                condition=models.Q(mapping=None) | models.Q(state="asked"), name="psa_agreement_with_mapping_was_asked"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "organisation_id", "state"], name="psa_agreement_of_merchant")]

    def __str__(self) -> str:
        return f"{self.name} ({self.psa_company})" if self.psa_company else self.name

    @property
    def money(self) -> Money | None:
        """What is billed each time."""
        return None if self.amount is None else Money(self.amount, self.currency)

    @property
    def is_ended(self) -> bool:
        """Whether PSA bills nothing for it any more."""
        return self.is_gone or not self.is_active

    @property
    def answer(self) -> str:
        """The payer's answer: the state of the mapping that was proposed; empty where none was."""
        return self.mapping.state if self.mapping is not None else ""


class PsaAgreementCursor(ReadCursor):
    """How far a PSA's agreements were read: `last_id` is where a reading under way continues.

    A whole reading was last finished at `full_at`: only that one notices what was deleted.
    """

    connection = models.OneToOneField("psa.PsaConnection", on_delete=models.CASCADE, related_name="agreement_cursor")
    organisation_id = models.CharField(max_length=190, blank=True)
    last_id = models.BigIntegerField(default=0)
    is_full = models.BooleanField(default=True)
    full_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True, help_text="A reading was last finished, on our clock.")
    callback_id = models.BigIntegerField(null=True, help_text="PSA's id of our callback about agreements.")

    def save_progress(self, **columns: object) -> None:
        """The same, as long as it is about the PSA that is read. Raises Retry once another one is connected."""
        if not type(self).objects.filter(pk=self.pk, organisation_id=self.organisation_id).exists():
            raise Retry("another PSA is connected by now", after=1)
        super().save_progress(**columns)

    def __str__(self) -> str:
        return f"Agreements of {self.organisation_id}"
