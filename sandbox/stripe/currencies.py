"""Which currencies and amounts Stripe takes, as its page on currencies says, and amounts as people write them."""

from __future__ import annotations

from decimal import Decimal

from sandbox.stripe.errors import StripeApiError

NO_DECIMALS = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THREE_DECIMALS = "bhd jod kwd omr tnd"
WHOLE_ONLY = "isk ugx"
OTHERS = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc "
    "cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd "
    "kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php "
    "pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd stn szl thb tjs top try ttd twd tzs uah usd uyu uzs "
    "wst xcd xcg yer zar zmw"
)
CURRENCIES = frozenset(" ".join((NO_DECIMALS, THREE_DECIMALS, WHOLE_ONLY, OTHERS)).split())
MINIMUMS = {
    "aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500, "mxn": 1000, "myr": 200,
    "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000,
}  # fmt: skip
MINIMUM = 50  # of the currencies that the page lists with a half, and of the rest about that much
MAXIMUMS = {"idr": 999_999_999_999, "cop": 9_999_999_999, "inr": 999_999_999}
MAXIMUM = 99_999_999


def check_currency(currency: str) -> None:
    """Raise unless Stripe takes this currency."""
    if currency.lower() not in CURRENCIES:
        raise StripeApiError(f"Invalid currency: {currency}.", param="currency")


def check_amount(amount: int, currency: str) -> None:
    """Raise unless the amount, in minor units of Stripe's, is one that it takes."""
    least, most = MINIMUMS.get(currency, MINIMUM), MAXIMUMS.get(currency, MAXIMUM)
    if amount < 1:
        raise StripeApiError(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount < least:
        message = f"Amount must be at least {format_amount(least, currency)}."
        raise StripeApiError(message, code="amount_too_small", param="amount")
    if amount > most:
        message = f"Amount must be no more than {format_amount(most, currency)}."
        raise StripeApiError(message, code="amount_too_large", param="amount")
    check_step(amount, currency)


def check_step(amount: int, currency: str) -> None:
    """Raise for a part of a whole unit, or of ten of the least units of three decimals."""
    if currency in WHOLE_ONLY.split() and amount % 100:
        raise StripeApiError(
            f"Invalid amount. Currency {currency.upper()} has become effectively zero-decimal and charged amounts must "
            "be evenly divisible by 100.",
            code="invalid_charge_amount_no_decimal_compatible",
            param="amount",
        )
    if currency in THREE_DECIMALS.split() and amount % 10:
        raise StripeApiError(
            f"Invalid amount. In {currency.upper()} the last digit of the amount must be 0.",
            code="parameter_invalid_integer",
            param="amount",
        )


def format_amount(amount: int, currency: str) -> str:
    """Minor units as people write them: 1099 and usd to `10.99 USD`."""
    places = 0 if currency in NO_DECIMALS.split() else 3 if currency in THREE_DECIMALS.split() else 2
    return f"{Decimal(amount).scaleb(-places):,.{places}f} {currency.upper()}"
