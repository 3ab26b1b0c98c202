"""Tables of the payers floor: companies, their people, invitations, accepted terms."""

from datetime import datetime

from django.db import models

from merchants.models import Merchant, Terms
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.states import Stateful, build_state_constraint

PAYER_TRANSITIONS = {"invited": frozenset({"registered"})}
ACCESS_TRANSITIONS = {
    "pending": frozenset({"active", "removed"}),
    "active": frozenset({"removed"}),
    "removed": frozenset({"pending", "active"}),
}


class PayerCompany(models.Model):
    """A client company of a merchant. `contact_id` in `organisation_id` is its accounting contact, once known."""

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="payer_companies")
    name = models.CharField(max_length=200)
    folded_name = models.CharField(max_length=200, editable=False)
    email = models.EmailField(max_length=254, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    organisation_id = models.CharField(max_length=60, blank=True)
    contact_id = models.CharField(max_length=60, blank=True)
    contacts = models.JSONField(default=dict, help_text="Which contact it was last, by organisation.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "payer companies"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "folded_name"], name="one_company_per_name"),
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "contact_id"],
                condition=~models.Q(contact_id=""),
                name="one_company_per_contact",
            ),
        ]

    def __str__(self) -> str:
        return self.name


def fold_name(name: str) -> str:
    """`name` as the accounting packages compare it: without regard to case and spacing."""
    return " ".join(name.split()).casefold()[:200]


class Payer(Stateful):
    """A person who pays, at however many merchants. `registered` once they confirmed their mail and their details."""

    TRANSITIONS = PAYER_TRANSITIONS

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="payer")
    phone = models.CharField(max_length=40, blank=True)
    job_title = models.CharField(max_length=80, blank=True)
    address = models.JSONField(default=dict, help_text="line1, line2, city, state, postal_code, country")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [build_state_constraint(PAYER_TRANSITIONS, name="payer_state")]

    def __str__(self) -> str:
        return str(self.user)


class PayerAccess(Stateful):
    """What one person may see of one company: `company` is all of it, `own` only what they paid or saved themselves.

    `pending` until the person followed the mail to their address: typing an address proves nothing.
    """

    class Scope(models.TextChoices):
        COMPANY = "company", "The whole company"
        OWN = "own", "Own payments only"

    class Origin(models.TextChoices):
        INVITED = "invited", "Invited"
        REGISTERED = "registered", "Registered while paying"
        SIGNED_IN = "signed_in", "Signed in while paying"

    TRANSITIONS = ACCESS_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="payer_accesses")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="accesses")
    scope = models.CharField(max_length=10, choices=Scope)
    origin = models.CharField(max_length=10, choices=Origin)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "payer accesses"
        constraints = [
            build_state_constraint(ACCESS_TRANSITIONS, name="payer_access_state"),
            models.UniqueConstraint(fields=["user", "company"], name="one_access_per_company"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.company}"


class Invitation(models.Model):
    """A Welcome mail: its link opens the access once, until it expires or a newer mail takes its place."""

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    access = models.ForeignKey(PayerAccess, on_delete=models.CASCADE, related_name="invitations")
    next_path = models.CharField(max_length=200, blank=True, help_text="Where the person was going: a Pay Now page.")
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["access"],
                condition=models.Q(used_at=None, replaced_at=None),
                name="one_open_invitation_per_access",
            )
        ]

    def __str__(self) -> str:
        return f"Invitation of {self.access}"

    def is_open(self, now: datetime) -> bool:
        """Whether its link still works."""
        return self.used_at is None and self.replaced_at is None and now < self.expires_at


class TermsAcceptance(models.Model):
    """Proof that somebody accepted a text: which version, when, from where. Never changed."""

    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="acceptances")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="acceptances")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    email = models.EmailField(max_length=254)
    ip = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=300, blank=True)
    accepted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.terms} accepted by {self.email}"


class PayerNotification(models.Model):
    """Whether a payer wants the mail about an event; without a row they do. Receipts are always sent."""

    class Event(models.TextChoices):
        BANK_DEBIT_SUBMITTED = "bank_debit_submitted", "Bank debit submitted"
        BANK_DEBIT_SETTLED = "bank_debit_settled", "Bank debit settled"
        BANK_DEBIT_FAILED = "bank_debit_failed", "Bank debit failed"
        METHOD_EXPIRING = "method_expiring", "Payment method expiring"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="payer_notifications")
    event = models.CharField(max_length=40, choices=Event)
    is_enabled = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "event"], name="one_wish_per_event")]

    def __str__(self) -> str:
        return self.get_event_display()
