"""Which methods a payment may be paid with, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from payers.models import PayerAccess, PayerCompany, Registration
from payments.errors import MethodNotAllowed, MethodUnusable, MustSaveMethod
from payments.models import GatewayAccount, Payment, SavedMethod
from wisepay.models import User

CARD, BANK_DEBIT = "card", "bank_debit"
# The bank debit that Stripe offers in a currency (docs.stripe.com/payments/bank-debits).
DEBIT_TYPES = {
    "AUD": "au_becs_debit",
    "CAD": "acss_debit",
    "EUR": "sepa_debit",
    "GBP": "bacs_debit",
    "NZD": "nz_bank_account",
    "USD": "us_bank_account",
}
# Stripe can't make a confirmation token of these, so no new one can be offered in our form; saved ones are charged
# (docs.stripe.com/payments/finalize-payments-on-the-server, "ACSS Debit is not supported").
WITHOUT_TOKENS = frozenset({"acss_debit"})


@dataclass(frozen=True, slots=True)
class Person:
    """Who pays or saves a method: their contact details, the source of the request, and what they are proved to be.

    A guest has none of `user`, `access` and `registration`. Somebody who is registering has a `registration` alone,
    because their address is not verified: they can't use what was saved before. Who is signed in is `user`, with
    `access` where they have one to this company; one whose access was removed pays as a guest does.
    """

    name: str
    email: str
    phone: str
    ip: str
    user_agent: str
    access: PayerAccess | None = None
    user: User | None = None
    registration: Registration | None = None
    is_removed: bool = False

    @property
    def is_signed_in(self) -> bool:
        """Whether they proved who they are."""
        return self.user is not None

    @property
    def has_account(self) -> bool:
        """Whether they may do what guests may not: pay by bank debit, save a method."""
        return self.registration is not None or (self.user is not None and not self.is_removed)


@dataclass(frozen=True, slots=True)
class PaymentChoice:
    """How somebody wants to pay: a saved method, or a new one of kind `method` from the gateway's form.

    `accepted_terms` are the ids of the terms that were accepted, `agreed_schedule` is what the page said that recurs.
    `radar_session_id` is what the gateway's script saw of the browser, for its fraud rules; empty without the script.
    """

    method: str = CARD
    confirmation_token: str = ""
    saved_method: SavedMethod | None = None
    saves: bool = False
    shares: bool = False
    accepted_terms: tuple[int, ...] = ()
    agreed_schedule: str = ""
    radar_session_id: str = ""

    @property
    def is_new(self) -> bool:
        """Whether the method is new."""
        return self.saved_method is None


def list_allowed_methods(
    methods: Sequence[str], account: GatewayAccount | None, currency: str, *, is_saved: bool = False
) -> list[str]:
    """List those of `methods` (from CPQ) that the merchant, the currency and the gateway allow, new or `is_saved`."""
    kind = DEBIT_TYPES.get(currency)
    has_form = kind is not None and (is_saved or kind not in WITHOUT_TOKENS)
    debits = account is not None and account.takes_bank_debits and has_form
    return [m for m in (CARD, BANK_DEBIT) if m in methods and (m == CARD or debits)]


def get_gateway_method_type(method: str, currency: str) -> str:
    """Return the gateway's type for a kind of method in a currency."""
    return CARD if method == CARD else DEBIT_TYPES[currency]


def supports_currency(method: SavedMethod, currency: str) -> bool:
    """Whether a saved method can pay in `currency`: a card in any, a bank account in its own country's."""
    return method.is_card or method.kind == DEBIT_TYPES.get(currency)


def can_use_method(access: PayerAccess, method: SavedMethod) -> bool:
    """Whether the person of an access may pay with the method: their own, and for whole companies shared ones."""
    if method.company_id != access.company_id:
        return False
    return method.owner_id == access.user_id or (method.is_shared and access.scope == PayerAccess.Scope.COMPANY)


def list_usable_methods(person: Person, company: PayerCompany, account: GatewayAccount | None) -> list[SavedMethod]:
    """List the saved methods that this person may pay with for this company, the default first."""
    if person.access is None or account is None:
        return []
    rows = SavedMethod.objects.filter(account=account, company=company, state="active")
    rows = rows.order_by("-is_default", "-last_used_at", "-pk")
    return [method for method in rows if can_use_method(person.access, method)]


def check_method_choice(payment: Payment, account: GatewayAccount, *, choice: PaymentChoice, person: Person) -> None:
    """Check the choice. Raises MethodNotAllowed, MethodUnusable or MustSaveMethod."""
    saved = choice.saved_method
    allowed = list_allowed_methods(payment.methods, account, payment.currency, is_saved=saved is not None)
    method = choice.method if saved is None else CARD if saved.is_card else BANK_DEBIT
    fits = saved is None or supports_currency(saved, payment.currency)
    if method not in allowed or not fits or (not person.has_account and method != CARD):
        raise MethodNotAllowed("This can't be paid that way. Please choose another method.")
    if saved is not None:
        if saved not in list_usable_methods(person, payment.company, account):
            raise MethodUnusable("This payment method can't be used any more. Please choose another one.")
        return
    if payment.needs_account and not choice.saves:
        raise MustSaveMethod("This quote recurs, so the payment method has to be saved. Please agree to that.")
    if choice.saves and not person.has_account:
        raise MethodNotAllowed("Saving a payment method needs a Wise-Pay account.")
