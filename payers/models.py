"""Tables of the payers floor: companies, their people, invitations, accepted terms."""

import unicodedata
from datetime import datetime

from django.db import models

from merchants.models import Merchant, Terms
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.input import is_invisible
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint

PAYER_TRANSITIONS = {"invited": frozenset({"registered"})}
ACCESS_TRANSITIONS = {
    "pending": frozenset({"active", "removed"}),
    "active": frozenset({"removed"}),
    "removed": frozenset({"pending", "active"}),
}
REGISTRATION_TRANSITIONS = {
    "open": frozenset({"waiting", "confirmed", "rejected"}),
    "waiting": frozenset({"confirmed", "rejected"}),
    "confirmed": frozenset({"waiting"}),
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
    contact_currency = models.CharField(
        max_length=3, blank=True, help_text="The one currency of that contact, where contacts have one."
    )
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

    def get_contact_id(self, currency: str) -> str:
        """Its contact for documents in this currency; empty while it has none."""
        if self.contact_currency in ("", currency):
            return self.contact_id
        rows = self.currency_contacts.filter(organisation_id=self.organisation_id, currency=currency)
        return rows.values_list("contact_id", flat=True).first() or ""


class CompanyContact(models.Model):
    """One more accounting contact of a company, for documents in `currency`: where a contact has one currency only."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="currency_contacts")
    organisation_id = models.CharField(max_length=60)
    contact_id = models.CharField(max_length=60)
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "contact_id"], name="contact_of_one_company"
            ),
            models.UniqueConstraint(fields=["company", "organisation_id", "currency"], name="one_contact_per_currency"),
            models.CheckConstraint(
                condition=~models.Q(contact_id="") & ~models.Q(currency=""), name="currency_contact_is_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company} ({self.currency})"


class CompanyId(models.Model):
    """Which record of another system a company is: found by that before its name, since names change and repeat."""

    class System(models.TextChoices):
        PSA = "psa", "PSA"
        CPQ = "cpq", "CPQ"
        ACCOUNT = "account", "Account number"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="ids")
    system = models.CharField(max_length=10, choices=System)
    value = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "system", "value"], name="one_company_per_id"),
            models.CheckConstraint(
                condition=models.Q(system__in=["psa", "cpq", "account"]) & ~models.Q(value=""),
                name="company_id_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_system_display()} {self.value}"


class CompanyMismatch(models.Model):
    """Ids and names that came together and belong to different companies here: a person says who is who.

    `company` is the one that was chosen meanwhile, `other` the one that the name or another id belongs to, if any.
    """

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, null=True, related_name="+")
    system = models.CharField(max_length=10, choices=CompanyId.System)
    value = models.CharField(max_length=64)
    name = models.CharField(max_length=200, help_text="The name that came with the id.")
    subject = models.CharField(max_length=60, help_text="What it came with: a quote.")
    created_at = models.DateTimeField(default=clock.now)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "company", "system", "value", "name"], name="one_mismatch_per_pair"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_system_display()} {self.value}: {self.name}"


class ContactChange(models.Model):
    """Which contact a company was before and which since: by `user`, or by the accounting package itself (`actor`).

    Both are empty where there was none, or is none now. Never changed.
    """

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="contact_changes")
    organisation_id = models.CharField(max_length=60)
    before_id = models.CharField(max_length=60, blank=True)
    before_currency = models.CharField(max_length=3, blank=True)
    after_id = models.CharField(max_length=60, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [models.Index(fields=["company", "-id"], name="contact_change_of_company")]

    def __str__(self) -> str:
        return f"{self.company}: {self.before_id or 'none'} → {self.after_id or 'none'}"


def fold_name(name: str) -> str:
    """`name` as a reader sees it: without regard to case, width, spacing, forms of a letter, and what nobody sees."""
    written = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = "".join(character for character in written if character.isspace() or not is_invisible(character))
    return " ".join(seen.split())[:200]


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
    typed_name = models.CharField(
        max_length=120, blank=True, help_text="As whoever asked for this access typed it; nobody proved it."
    )
    typed_phone = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "payer accesses"
        constraints = [
            build_state_constraint(ACCESS_TRANSITIONS, name="payer_access_state"),
            models.UniqueConstraint(fields=["user", "company"], name="one_access_per_company"),
        ]

    def __str__(self) -> str:
        return f"{self.shown_name} at {self.company}"

    @property
    def is_agreed(self) -> bool:
        """Whether the person agreed to it, so that the merchant may see who they are."""
        return self.state == "active"

    @property
    def shown_email(self) -> str:
        """The address, spelt alike whether or not it has an account."""
        return self.user.email if self.is_agreed else self.user.email.lower()

    @property
    def shown_name(self) -> str:
        """The person as the merchant may know them: until they agreed, what was typed."""
        return str(self.user) if self.is_agreed else self.typed_name or self.shown_email


class Registration(Stateful):
    """Somebody asked for an account while paying, and has not proved that `email` is theirs.

    What they make (a payment, a saved method) belongs to this row alone: `waiting` once there is any. It joins the
    account of the address when its owner says that it was them (`confirmed`), or never (`rejected`).
    """

    TRANSITIONS = REGISTRATION_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="registrations")
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120)
    phone = models.CharField(max_length=40, blank=True)
    user = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        related_name="registrations",
        help_text="Whose address it is, once a worker looked.",
    )
    next_path = models.CharField(max_length=200, blank=True, help_text="The Pay Now page it began on.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [build_state_constraint(REGISTRATION_TRANSITIONS, name="registration_state")]
        indexes = [models.Index(fields=["user"], condition=models.Q(state="waiting"), name="registration_waiting")]

    def __str__(self) -> str:
        return f"Registration {self.reference}"


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
    """Proof that somebody accepted a text: which version, what they were shown with it, when, from where.

    Amounts are minor units of `currency`. Never changed, but for the account's last four digits once they are known.
    """

    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="acceptances")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="acceptances")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    email = models.EmailField(max_length=254)
    ip = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=300, blank=True)
    accepted_at = models.DateTimeField()
    operation = models.CharField(
        max_length=20, blank=True, help_text="The reference of the attempt, setup or mapping that it was given for."
    )
    acts = models.CharField(max_length=60, blank=True, help_text="What the person did under it: pay, save, recur, …")
    currency = models.CharField(max_length=3, blank=True)
    amount = models.BigIntegerField(null=True, help_text="What was to be paid now.")
    recurring_amount = models.BigIntegerField(null=True, help_text="What was to be paid every interval.")
    interval = models.CharField(max_length=10, blank=True)
    periods = models.PositiveIntegerField(null=True, help_text="How often; None is until somebody ends it.")
    starts_on = models.DateField(null=True, help_text="The day of the first one; None is the day of the acceptance.")
    ends_on = models.DateField(null=True, help_text="The day of the last one, counted from the first.")
    agreement = models.CharField(max_length=100, blank=True, help_text="What the merchant calls what recurs.")
    method_kind = models.CharField(max_length=20, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    shown = models.TextField(blank=True, help_text="The sentences that stood above the button, one a line.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount=None, recurring_amount=None) | ~models.Q(currency=""),
                name="accepted_amount_has_currency",
            ),
            models.CheckConstraint(
                condition=models.Q(recurring_amount=None) | ~models.Q(interval=""), name="accepted_schedule_is_whole"
            ),
        ]
        indexes = [
            models.Index(fields=["operation"], condition=~models.Q(operation=""), name="acceptance_of_operation")
        ]

    def __str__(self) -> str:
        return f"{self.terms} accepted by {self.email}"

    @property
    def money(self) -> Money | None:
        """What was to be paid now."""
        return None if self.amount is None else Money(self.amount, self.currency)

    @property
    def recurring(self) -> Money | None:
        """What was to be paid every interval."""
        return None if self.recurring_amount is None else Money(self.recurring_amount, self.currency)


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
