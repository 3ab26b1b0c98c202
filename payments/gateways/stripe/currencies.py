"""Stripe's units, steps and limits of each currency. Source: docs.stripe.com/currencies."""

from wisepay.money import Money, get_currency_digits, split_codes

ZERO_DECIMALS = split_codes("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF")
THREE_DECIMALS = split_codes("BHD JOD KWD OMR TND")
# Counted with two decimals that have to be 00 ("special cases").
WHOLE_ONLY = frozenset({"ISK", "UGX"})
TWO_DECIMALS = split_codes(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "WST XCD XCG YER ZAR ZMW"
)
CURRENCIES = ZERO_DECIMALS | THREE_DECIMALS | WHOLE_ONLY | TWO_DECIMALS

# Minor units at Stripe. Of a currency without a row Stripe asks for as much as MINIMUM_ELSEWHERE is worth, which only
# it knows.
MINIMUMS = {
    **dict.fromkeys(split_codes("ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD USD ZAR"), 50),
    "AED": 200, "BGN": 100, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "MXN": 1000, "MYR": 200,
    "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
# By how many digits `amount` may have for every method; cards of some networks take more.
MAXIMUM = 99_999_999
MAXIMUMS = {"IDR": 999_999_999_999, "COP": 9_999_999_999, "INR": 999_999_999}


class UnreadableAmount(ValueError):
    """Stripe named an amount that is no whole number of the currency's minor units."""


def get_stripe_digits(currency: str) -> int:
    """How many decimals Stripe counts the currency with; two where Stripe does not say otherwise."""
    return 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def to_stripe(money: Money) -> int:
    """The amount in the units that Stripe counts this currency in. Raises UnreadableAmount for a part of a unit."""
    return rescale(money.amount, get_currency_digits(money.currency), get_stripe_digits(money.currency))


def from_stripe(amount: int, currency: str) -> Money:
    """The reverse of `to_stripe`. Raises UnreadableAmount where our units can't hold it."""
    code = currency.upper()
    return Money(rescale(amount, get_stripe_digits(code), get_currency_digits(code)), code)


def rescale(amount: int, digits: int, wanted: int) -> int:
    """The amount with `wanted` decimals instead of `digits`. Raises UnreadableAmount instead of rounding."""
    if wanted >= digits:
        return amount * int(10 ** (wanted - digits))
    whole, rest = divmod(amount, int(10 ** (digits - wanted)))
    if rest:
        raise UnreadableAmount(f"{amount} with {digits} decimals does not fit into {wanted}")
    return whole


def get_step(currency: str) -> int:
    """The minor units of ours that a charge has to be a multiple of."""
    ours, theirs = get_currency_digits(currency), get_stripe_digits(currency)
    if currency in THREE_DECIMALS:
        return int(10 ** (ours - 2))  # "the least-significant (last) digit has to be 0"
    return int(10 ** max(ours - theirs, 0))


def get_charge_limits(currency: str) -> tuple[Money, Money]:
    """The least and the most that can be charged at once."""
    step = get_step(currency)
    least, most = MINIMUMS.get(currency, 1), MAXIMUMS.get(currency, MAXIMUM)
    ours = 10 ** get_currency_digits(currency)
    theirs = 10 ** get_stripe_digits(currency)
    return (
        Money(-(-least * ours // (theirs * step)) * step, currency),
        Money(most * ours // (theirs * step) * step, currency),
    )


def find_amount_problem(money: Money) -> str:
    """Why this amount can't be charged, as a sentence; empty when it can."""
    currency = money.currency
    if currency not in CURRENCIES:
        return f"Payments can't be taken in {currency}. Quote in another currency."
    least, most = get_charge_limits(currency)
    step = Money(get_step(currency), currency)
    if money.amount < least.amount:
        return f"At least {least} has to be paid at once."
    if money.amount > most.amount:
        return f"At most {most} can be paid at once."
    if money.amount % step.amount:
        return f"Amounts in {currency} have to be multiples of {step}."
    return ""
