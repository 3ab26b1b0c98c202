"""Gateway operations: attempts to charge, setups that save a method, and what goes back: refunds and disputes."""

from django.db import models

from payers.models import PayerCompany, Registration, TermsAcceptance
from payments.models.gateway_accounts import GatewayAccount
from payments.models.payment import Payment, SavedMethod, describe_method
from payments.states import ATTEMPT_TRANSITIONS, DISPUTE_TRANSITIONS, LIVE_STATES, REFUND_TRANSITIONS, SETUP_TRANSITIONS
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint


def get_default_method_types() -> list[str]:
    """The default of `method_types`."""
    return ["card"]


class GatewayOperation(Stateful):
    """What attempts and setups have in common: the payer, the parameters of the request, and its result.

    The parameters are columns, so that sending them again with the same key is the same request.
    """

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, related_name="%(class)ss")
    idempotency_key = models.CharField(max_length=80, unique=True)
    confirmation_token = models.CharField(max_length=255, blank=True)
    method_types = models.JSONField(
        default=get_default_method_types, help_text="Kinds that the gateway may take, in its words."
    )
    stripe_customer_id = models.CharField(max_length=255, blank=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="%(class)ss")
    registration = models.ForeignKey(
        Registration,
        on_delete=models.PROTECT,
        null=True,
        related_name="%(class)ss",
        help_text="Who asked for an account while paying; `user` is None until its owner confirmed.",
    )
    acceptance = models.ForeignKey(TermsAcceptance, on_delete=models.PROTECT, null=True, related_name="+")
    shares_method = models.BooleanField(default=False, help_text="The payer wants the method shared with the company.")
    payer_name = models.CharField(max_length=120)
    payer_email = models.EmailField(max_length=254)
    payer_phone = models.CharField(max_length=40, blank=True)
    ip = models.GenericIPAddressField(null=True, help_text="None when nobody was there: an automatic payment.")
    user_agent = models.CharField(max_length=300, blank=True)
    method_kind = models.CharField(max_length=20, blank=True)
    brand = models.CharField(max_length=60, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    stripe_payment_method_id = models.CharField(max_length=255, blank=True)
    stripe_mandate_id = models.CharField(max_length=255, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)
    next_action = models.CharField(
        max_length=60,
        blank=True,
        help_text="What the payer has to do, in the gateway's word; empty: a challenge.",
    )
    action_url = models.CharField(max_length=2000, blank=True, help_text="The gateway's page where the payer does it.")
    action_asked_at = models.DateTimeField(null=True)
    action_expires_at = models.DateTimeField(null=True, help_text="Until when the payer can do it, if that is known.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        abstract = True

    @property
    def is_live(self) -> bool:
        """Whether it may still end either way."""
        return self.state in LIVE_STATES

    @property
    def intent_id(self) -> str:
        """The gateway's id of it; empty while the gateway has not answered."""
        raise AssertionError("each kind of operation has its own")

    @property
    def was_declined(self) -> bool:
        """Whether a bank refused it; without an intent the gateway itself refused the request."""
        return self.state == "failed" and bool(self.intent_id)

    @property
    def is_settling(self) -> bool:
        """Whether the payer's bank has it and has not answered, as only a charge can be."""
        return False

    @property
    def method(self) -> str:
        """The method as a person knows it, for example "Visa ···· 4242"."""
        return describe_method(self.method_kind, self.brand, self.last4)


class Attempt(GatewayOperation):
    """One try to charge a payment at the gateway. `processing` means that the result is not known yet.

    `submitted_at`: the gateway took it and the payer's bank has days to answer, as with every bank debit.
    """

    TRANSITIONS = ATTEMPT_TRANSITIONS

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    amount = models.BigIntegerField()
    saved_method = models.ForeignKey(
        SavedMethod, on_delete=models.PROTECT, null=True, related_name="attempts", help_text="Paid with it."
    )
    saves_method = models.BooleanField(default=False, help_text="The method is kept for later payments.")
    stripe_payment_intent_id = models.CharField(max_length=255, blank=True)
    is_off_session = models.BooleanField(default=False, help_text="The payer was not there.")
    radar_session_id = models.CharField(
        max_length=64, blank=True, help_text="What the gateway saw of the browser that paid with a saved method."
    )
    submitted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            build_state_constraint(ATTEMPT_TRANSITIONS, name="attempt_state"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="attempt_amount_positive"),
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(state__in=LIVE_STATES), name="one_live_attempt_per_payment"
            ),
            models.UniqueConstraint(
                fields=["payment"],
                condition=models.Q(state="succeeded"),
                name="one_succeeded_attempt_per_payment",
            ),
            models.UniqueConstraint(
                fields=["account", "stripe_payment_intent_id"],
                condition=~models.Q(stripe_payment_intent_id=""),
                name="one_attempt_per_intent",
            ),
            models.CheckConstraint(
                condition=~models.Q(confirmation_token="") | models.Q(saved_method__isnull=False),
                name="attempt_has_a_method",
            ),
            models.CheckConstraint(
                condition=models.Q(is_off_session=True, saved_method__isnull=False) | models.Q(ip__isnull=False),
                name="attempt_says_from_where",
            ),
        ]
        indexes = [
            models.Index(fields=["ip", "created_at"], name="attempt_of_ip"),
            models.Index(fields=["created_at"], name="attempt_created"),
            models.Index(
                fields=["payment", "method_kind"],
                condition=models.Q(state__in=["succeeded", "reversed", "processing", "requires_action"]),
                name="attempt_method",
            ),
            models.Index(fields=["state_at"], condition=models.Q(state__in=LIVE_STATES), name="attempt_live"),
            models.Index(fields=["last4", "payment"], name="attempt_last_four"),
            models.Index(fields=["method_kind", "payment"], name="attempt_of_kind"),
            models.Index(
                fields=["payment"],
                condition=models.Q(state="failed", submitted_at__isnull=False),
                name="attempt_returned",
            ),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.reference}"

    @property
    def intent_id(self) -> str:
        """The PaymentIntent."""
        return self.stripe_payment_intent_id

    @property
    def money(self) -> Money:
        """What this attempt would take."""
        return Money(self.amount, self.payment.currency)

    @property
    def is_debit(self) -> bool:
        """Whether it goes through the payer's bank, and can come back for months."""
        return self.method_kind not in ("", "card")

    @property
    def is_settling(self) -> bool:
        """Whether the payer's bank has it and has not answered."""
        return self.state == "processing" and self.submitted_at is not None


class Setup(GatewayOperation):
    """One try to save a method at the gateway without charging it.

    For a quote that only recurs it is of that `payment`; else a payer adds a method in their settings.
    """

    TRANSITIONS = SETUP_TRANSITIONS

    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="setups")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="setups")
    stripe_setup_intent_id = models.CharField(max_length=255, blank=True)
    saved_method = models.ForeignKey(SavedMethod, on_delete=models.PROTECT, null=True, related_name="setups")

    class Meta:
        constraints = [
            build_state_constraint(SETUP_TRANSITIONS, name="setup_state"),
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(state__in=LIVE_STATES), name="one_live_setup_per_payment"
            ),
            models.UniqueConstraint(
                fields=["account", "stripe_setup_intent_id"],
                condition=~models.Q(stripe_setup_intent_id=""),
                name="one_setup_per_intent",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="setup_created")]

    def __str__(self) -> str:
        return f"Setup {self.reference}"

    @property
    def intent_id(self) -> str:
        """The SetupIntent."""
        return self.stripe_setup_intent_id


class Dispute(Stateful):
    """A payer told their bank that they did not agree. Of a bank debit it is final the moment it is made."""

    TRANSITIONS = DISPUTE_TRANSITIONS

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="disputes")
    stripe_dispute_id = models.CharField(max_length=255, unique=True)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=60, blank=True)
    due_by = models.DateTimeField(null=True, help_text="Until when the merchant can answer.")
    has_evidence = models.BooleanField(default=False, help_text="The merchant has answered.")
    fee = models.BigIntegerField(default=0, help_text="What the gateway keeps for it.")
    fee_currency = models.CharField(max_length=3, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [build_state_constraint(DISPUTE_TRANSITIONS, name="dispute_state")]

    def __str__(self) -> str:
        return f"Dispute {self.stripe_dispute_id}"

    @property
    def money(self) -> Money:
        """What the bank took back."""
        return Money(self.amount, self.attempt.payment.currency)

    @property
    def fee_money(self) -> Money | None:
        """What the gateway keeps for it, if anything."""
        return Money(self.fee, self.fee_currency) if self.fee and self.fee_currency else None


class Refund(Stateful):
    """Money that went back: ordered here or at the gateway, or the part of a payment that was lost in a dispute.

    `processing`: the gateway has not said how it ended.
    """

    class Origin(models.TextChoices):
        CONSOLE = "console", "Wise-Pay"
        GATEWAY = "gateway", "Stripe"
        DISPUTE = "dispute", "Lost in a dispute"

    TRANSITIONS = REFUND_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.CONSOLE)
    ordered_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    idempotency_key = models.CharField(max_length=80, unique=True)
    stripe_refund_id = models.CharField(max_length=255, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(REFUND_TRANSITIONS, name="refund_state"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_amount_positive"),
            models.UniqueConstraint(
                fields=["attempt", "stripe_refund_id"],
                condition=~models.Q(stripe_refund_id=""),
                name="one_row_per_refund",
            ),
        ]
        indexes = [models.Index(fields=["stripe_refund_id"], name="refund_at_gateway")]

    def __str__(self) -> str:
        return f"Refund {self.reference}"

    @property
    def money(self) -> Money:
        """What goes back."""
        return Money(self.amount, self.payment.currency)
