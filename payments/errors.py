"""Why a payment cannot be tried now; each message is written for the payer."""


class CannotPay(Exception):
    """The base of all reasons; `code` is for programs."""

    code = "cannot_pay"


class AlreadyPaid(CannotPay):
    """It is paid; nothing more is due."""

    code = "already_paid"


class AttemptInProgress(CannotPay):
    """Another attempt has not ended yet, so a second one could pay twice."""

    code = "attempt_in_progress"


class PaymentExpired(CannotPay):
    """The deadline passed, or the quote was withdrawn."""

    code = "expired"


class AmountChanged(CannotPay):
    """The amount is not the one that the payer was shown."""

    code = "amount_changed"


class AmountRefused(CannotPay):
    """The gateway can't charge this amount: too little, too much, or not in this currency."""

    code = "amount_refused"


class CurrencyRefused(CannotPay):
    """The merchant's books can't hold this currency, so it could not be booked."""

    code = "currency_refused"


class GuestRefused(CannotPay):
    """A guest cannot pay this."""

    code = "guest_refused"


class TooManyAttempts(CannotPay):
    """A limit against card testing was reached; `wait` seconds until the next try may pass."""

    code = "too_many_attempts"

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class MerchantBraked(TooManyAttempts):
    """So many cards were declined at this merchant that no new ones are taken for a while."""


class StormDetected(MerchantBraked):
    """The same, and the brake is not on yet."""


class MerchantNotReady(CannotPay):
    """The merchant has not finished the set-up, or has switched payments off."""

    code = "merchant_not_ready"


class MethodNotAllowed(CannotPay):
    """CPQ, the merchant, the currency or the gateway does not allow this kind of method."""

    code = "method_not_allowed"


class MethodUnusable(CannotPay):
    """The saved method is somebody else's, removed, or invalid."""

    code = "method_unusable"


class VisitorChanged(CannotPay):
    """Somebody signed in or out since the page was opened, so it would be paid by another person than it says."""

    code = "visitor_changed"

    def __init__(self, message: str, *, is_signed_out: bool) -> None:
        super().__init__(message)
        self.is_signed_out = is_signed_out


class MustSaveMethod(CannotPay):
    """The quote recurs, so the method has to be saved."""

    code = "must_save_method"


class TermsNotAccepted(CannotPay):
    """The terms were not accepted, or not the ones in force."""

    code = "terms_not_accepted"


class NothingToRefund(CannotPay):
    """More than the remaining amount, or the payment is not paid."""

    code = "nothing_to_refund"
