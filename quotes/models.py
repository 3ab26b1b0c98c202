"""Tables of the quotes floor."""

import hashlib
from datetime import timedelta
from functools import partial

from django.db import models

from merchants.models import Merchant
from payments.models import Payment
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.secrets import SecretField
from wisepay.states import Stateful, build_state_constraint

QUOTE_TRANSITIONS = {
    "open": frozenset({"paid", "saved", "expired", "withdrawn"}),
    "paid": frozenset({"open"}),
    "expired": frozenset({"open", "paid", "saved", "withdrawn"}),
}
IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=24)  # how long an Idempotency-Key is honoured
DEFAULT_HOSTS = ["*.orderporter.com"]


def hash_api_key(api_key: str) -> str:
    """The SHA-256 by which a key is found, so that neither the index nor the comparison leaks the key."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class CpqIntegration(models.Model):
    """A merchant's integration 'ConnectWise Sell': the API key and the hosts that quotes live on."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="cpq_integration")
    is_enabled = models.BooleanField(default=False)
    api_key = SecretField(row=("merchant_id",), blank=True, default="")
    api_key_digest = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 (no key is not a key)
    key_created_at = models.DateTimeField(null=True)
    hosts = models.JSONField(default=partial(list, DEFAULT_HOSTS))

    def __str__(self) -> str:
        return f"ConnectWise Sell of {self.merchant}"


class CpqConnection(models.Model):
    """A merchant's keys of ConnectWise CPQ's own API, by which quotes are read that come by a link.

    `agreed_quotes` are the numbers of quotes whose amount a template said as we calculated it. `shown` is what the last
    test of the link found.
    """

    AGREEMENTS_NEEDED = 3

    class LinkForm(models.TextChoices):
        PASSCODE = "passcode", "By the passcode alone"
        NUMBERED = "numbered", "By number, version and passcode"

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="cpq_connection")
    is_enabled = models.BooleanField(default=False)
    access_key = SecretField(row=("merchant_id",), blank=True, default="")
    public_key = SecretField(row=("merchant_id",), blank=True, default="")
    private_key = SecretField(row=("merchant_id",), blank=True, default="")
    is_api_user = models.BooleanField(null=True)
    can_access_all_quotes = models.BooleanField(null=True, help_text="Restricted keys see fewer quotes, without error.")
    tested_at = models.DateTimeField(null=True, help_text="CPQ last accepted the keys.")
    last_error = models.CharField(max_length=200, blank=True)
    is_polled = models.BooleanField(default=False, help_text="Accepted quotes are looked for without anybody's click.")
    polled_at = models.DateTimeField(null=True)
    mails_since = models.DateTimeField(
        null=True, help_text="Customers are mailed the pay link of what they accept from then on; None is never."
    )
    mails_after = models.DateTimeField(
        null=True, help_text="When a poll had listed everything that was accepted before, which is never mailed."
    )
    status_field = models.CharField(max_length=24, blank=True, help_text="Where a payment's standing is written.")
    date_field = models.CharField(max_length=24, blank=True, help_text="Where its day is written.")
    link_form = models.CharField(max_length=10, choices=LinkForm, default=LinkForm.PASSCODE)
    order_porter_url = models.URLField(max_length=500, blank=True)
    shown = models.JSONField(null=True)
    agreed_quotes = models.JSONField(default=list)
    confirmed_at = models.DateTimeField(null=True, help_text="Our arithmetic of what is due was confirmed.")
    confirmed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_enabled=False) | ~models.Q(private_key=""), name="enabled_cpq_has_keys"
            ),
            models.CheckConstraint(condition=models.Q(link_form__in=["passcode", "numbered"]), name="cpq_link_form"),
        ]

    def __str__(self) -> str:
        return f"ConnectWise CPQ of {self.merchant}"

    @property
    def writes_back(self) -> bool:
        """Whether CPQ is told how payments stand."""
        return self.is_enabled and bool(self.status_field or self.date_field)

    @property
    def is_numbered(self) -> bool:
        """Whether links name the quote's number and version, because CPQ does not find quotes by passcode."""
        return self.link_form == self.LinkForm.NUMBERED

    @property
    def is_trial(self) -> bool:
        """Whether quotes that come by link are shown and not yet payable."""
        return self.confirmed_at is None


class PolledVersion(models.Model):
    """A version that the poll has dealt with, as CPQ changed it at `modified`; kept for some days."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    cpq_id = models.CharField(max_length=64)
    modified = models.CharField(max_length=40)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "cpq_id", "modified"], name="one_look_per_change_of_a_version")
        ]

    def __str__(self) -> str:
        return f"{self.cpq_id} as of {self.modified}"


class PayLinkMail(models.Model):
    """The one mail with the pay link of a version that a poll found: whether it went out, and why not.

    `quote` is None for what was accepted before mails were wanted, of which nothing is sent.
    """

    class State(models.TextChoices):
        EARLIER = "earlier", "Accepted before mails were switched on"
        WAITING = "waiting", "On its way"
        SENT = "sent", "Sent"
        REFUSED = "refused", "Refused by the mail server"
        LEFT_OUT = "left_out", "Not sent"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    cpq_id = models.CharField(max_length=64)
    version = models.IntegerField()
    quote = models.OneToOneField("Quote", on_delete=models.CASCADE, null=True, related_name="pay_link_mail")
    state = models.CharField(max_length=10, choices=State)
    reason = models.CharField(max_length=300, blank=True)
    state_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "cpq_id", "version"], name="one_mail_per_version"),
            models.CheckConstraint(
                condition=models.Q(state="earlier") | models.Q(quote__isnull=False), name="mail_is_about_a_quote"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cpq_id} v{self.version}: {self.get_state_display()}"


class CpqNote(models.Model):
    """How a quote's payment stands, as it is written into fields of CPQ, and what became of that."""

    class State(models.TextChoices):
        WAITING = "waiting", "On its way"
        WRITTEN = "written", "Written"
        REFUSED = "refused", "Refused"
        LEFT_OUT = "left_out", "Not written"

    quote = models.OneToOneField("Quote", on_delete=models.CASCADE, related_name="cpq_note")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    state_at = models.DateTimeField()
    words = models.CharField(max_length=40, blank=True)
    noted_on = models.DateField(null=True)
    wanted_at = models.DateTimeField(null=True, help_text="Since when these words are to be written.")
    lease_until = models.DateTimeField(null=True, help_text="A worker has it until then.")
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "written", "refused", "left_out"]), name="cpq_note_state"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quote}: {self.words or self.get_state_display()}"


class CpqWord(models.Model):
    """A word of the merchant's CPQ that no table of ours has; a quote with one without a `meaning` is refused."""

    class Kind(models.TextChoices):
        CURRENCY = "currency", "Currency"
        INTERVAL = "interval", "Interval"
        STATUS = "status", "Status"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="cpq_words")
    kind = models.CharField(max_length=10, choices=Kind)
    word = models.CharField(max_length=100, blank=True, help_text="In small letters, as they are compared.")
    meaning = models.CharField(max_length=20, blank=True)
    quote_number = models.BigIntegerField(help_text="Where it was last seen.")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "kind", "word"], name="one_meaning_per_word")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} “{self.word or '(empty)'}”"


class Quote(Stateful):
    """One version of a quote that a checkout was opened for, by CPQ or by a link that its customer followed.

    Of one that came by link, `cpq_modified` is CPQ's own time of change as it was read, `read_at` when it was last read
    as it is stored here, and `hold` why it can't be paid although it is open.
    """

    TRANSITIONS = QUOTE_TRANSITIONS

    class Source(models.TextChoices):
        CONTRACT = "contract", "Sent by CPQ"
        LINK = "link", "Link"

    reference = models.CharField(max_length=24, unique=True, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="quotes")
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="quote")
    cpq_id = models.CharField(max_length=64)
    number = models.BigIntegerField()
    version = models.IntegerField()
    name = models.CharField(max_length=200)
    opportunity_id = models.CharField(max_length=64, blank=True)
    purchase_order_number = models.CharField(max_length=64, blank=True)
    customer = models.JSONField(default=dict)
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField()
    tax = models.BigIntegerField(default=0)
    recurring = models.JSONField(null=True)
    return_url = models.URLField(max_length=2000, blank=True)
    callback_url = models.URLField(max_length=2000, blank=True)
    source = models.CharField(max_length=10, choices=Source, default=Source.CONTRACT)
    cpq_modified = models.CharField(max_length=40, blank=True)
    link_digest = models.CharField(max_length=64, blank=True, help_text="Keyed: the passcode itself is not kept.")
    read_at = models.DateTimeField(null=True)
    hold = models.CharField(max_length=20, blank=True)
    acceptance = models.JSONField(default=dict, help_text="Who accepted it in Order Porter, when, from where.")
    notified_status = models.CharField(max_length=20, blank=True, help_text="The status last given to the callback.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(QUOTE_TRANSITIONS, name="quote_state"),
            models.UniqueConstraint(fields=["merchant", "cpq_id", "version"], name="one_checkout_per_version"),
            models.CheckConstraint(condition=models.Q(source__in=["contract", "link"]), name="quote_source"),
            models.CheckConstraint(
                condition=~models.Q(source="contract") | ~models.Q(return_url=""), name="contract_names_the_way_back"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "number", "version"], name="quote_of_merchant"),
            models.Index(fields=["merchant", "opportunity_id"], name="quote_of_opportunity"),
            models.Index(fields=["merchant", "-id"], name="quote_newest"),
        ]

    def __str__(self) -> str:
        return f"Quote {self.number} v{self.version}"

    @property
    def standing(self) -> str:
        """How it stands for the merchant, as its payment does; what ended a quote that nobody paid goes before."""
        return self.state if self.state in ("withdrawn", "saved") else self.payment.standing


def create_checkout_reference() -> str:
    """A new public id of a checkout."""
    return f"chk_{new_reference()}"


class Callback(models.Model):
    """One change of a checkout's status, on its way to CPQ's callback address."""

    quote = models.ForeignKey(Quote, on_delete=models.CASCADE, related_name="callbacks")
    delivery = models.UUIDField(unique=True)
    event = models.CharField(max_length=30)
    body = models.TextField()
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.event} of {self.quote}"


class IdempotentAnswer(models.Model):
    """What was answered to an Idempotency-Key, for a day."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return self.key
