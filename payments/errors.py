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


class GuestRefused(CannotPay):
    """A guest cannot pay this."""

    code = "guest_refused"


class TooManyAttempts(CannotPay):
    """A limit against card testing was reached."""

    code = "too_many_attempts"


class MerchantNotReady(CannotPay):
    """The merchant has not finished the set-up, or has switched payments off."""

    code = "merchant_not_ready"
