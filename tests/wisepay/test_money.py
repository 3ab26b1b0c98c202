"""Money: what is read, what is refused, what a person sees, in currencies with two, no and three decimals."""

from decimal import Decimal

import pytest
from babel import localedata
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from wisepay.money import InvalidAmount, Money, get_currency_digits, list_currencies

READ = [
    ("625.00", "AUD", 62500),
    ("625", "AUD", 62500),
    ("0.5", "USD", 50),
    ("0.00", "USD", 0),
    ("007.10", "USD", 710),
    ("1250", "JPY", 1250),
    ("1.234", "KWD", 1234),
    ("1.2", "KWD", 1200),
    ("100", "ISK", 100),
    ("9999999999.99", "AUD", 999_999_999_999),
]
REFUSED = [
    ("", "AUD"),
    (".", "AUD"),
    ("-1.00", "AUD"),
    ("+1.00", "AUD"),
    (" 1.00", "AUD"),
    ("1,000.00", "AUD"),
    ("1.2.3", "AUD"),
    ("1e3", "AUD"),
    ("NaN", "AUD"),
    ("Infinity", "AUD"),
    ("１２", "AUD"),
    ("²", "AUD"),
    ("1_000", "AUD"),
    ("$1.00", "USD"),
    ("1.234", "AUD"),
    ("1.5", "JPY"),
    ("1.0", "ISK"),
    ("1.2345", "KWD"),
    ("10000000000.00", "AUD"),
    ("9" * 400, "AUD"),
]
SHOWN = [
    (62500, "AUD", "A$625.00"),
    (123456789, "USD", "US$1,234,567.89"),
    (1250, "JPY", "JP¥1,250"),
    (1234, "KWD", "KWD\xa01.234"),
    (100, "ISK", "ISK\xa0100"),
    (0, "AUD", "A$0.00"),
]
amounts = st.integers(min_value=0, max_value=10**12 - 1)
codes = st.sampled_from(sorted(list_currencies()))


@pytest.mark.parametrize(("text", "currency", "minor"), READ)
def test_an_amount_is_read_into_minor_units(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(("text", "currency"), REFUSED)
def test_what_is_no_plain_amount_of_the_currency_is_refused_in_words(text: str, currency: str) -> None:
    with pytest.raises(InvalidAmount, match=r"\."):
        Money.parse(text, currency)


# What people of the world type, as Unicode's CLDR writes amounts in every locale.
TYPED = [Money(each, code) for code in ("AUD", "JPY", "KWD", "ISK") for each in (5, 695, 6_950, 125_000, 123_456_789)]


@pytest.mark.parametrize("money", TYPED, ids=lambda money: f"{money.currency} {money.plain}")
def test_what_people_of_any_locale_type_is_read_as_they_mean_it_or_refused(money: Money) -> None:
    """A comma that was deleted made 695.00 of "6,95". Decimal marks and groups are those of CLDR's locales."""
    pattern = f"#,##0.{'0' * money.digits}".removesuffix(".")
    for locale in localedata.locale_identifiers():
        for is_grouped in (True, False):
            text = format_decimal(money.decimal, pattern, locale, group_separator=is_grouped)
            try:
                assert Money.parse_typed(text, money.currency) == money, (locale, text)
            except InvalidAmount:
                assert locale != "en", text


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1,250.00", "AUD", 125_000),
        ("A$1,250", "AUD", 125_000),
        ("$1,250.5 ", "USD", 125_050),
        ("AUD\u00a01250", "AUD", 125_000),
        ("1,250", "JPY", 1_250),
        ("6,950.000", "KWD", 6_950_000),
        ("6.950", "KWD", 6_950),
    ],
)
def test_what_is_typed_the_english_way_is_read(text: str, currency: str, minor: int) -> None:
    assert Money.parse_typed(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("6,95", "AUD"),
        ("6,950", "KWD"),
        ("1.250,00", "AUD"),
        ("1 250,00", "AUD"),
        ("1 250.00", "AUD"),
        ("1'250.00", "AUD"),
        ("1\u2019250.00", "AUD"),
        ("1.250", "AUD"),
        ("1.250", "JPY"),
        ("12,50,000", "INR"),
        ("1,2500", "AUD"),
        (",95", "AUD"),
        ("6,", "AUD"),
        ("6\u066b95", "AUD"),
        ("\u0666.95", "AUD"),
        ("6.95-", "AUD"),
        ("(6.95)", "AUD"),
        ("6.95 AUD AUD", "AUD"),
        ("6.95 NZD", "AUD"),
    ],
)
def test_what_could_mean_two_amounts_is_refused_in_words(text: str, currency: str) -> None:
    with pytest.raises(InvalidAmount, match=r"Write the amount|decimals"):
        Money.parse_typed(text, currency)


@pytest.mark.parametrize("currency", ["", "XXX", "BTC", "aud", "DEM", "AU"])
def test_only_currencies_in_use_today_are_known(currency: str) -> None:
    with pytest.raises(InvalidAmount, match="not a currency"):
        Money.parse("1.00", currency)


@pytest.mark.parametrize(("minor", "currency", "shown"), SHOWN)
def test_a_person_sees_the_currencys_own_decimals(minor: int, currency: str, shown: str) -> None:
    assert str(Money(minor, currency)) == shown


@given(minor=amounts, currency=codes)
def test_the_wire_form_is_read_back_as_the_same_money(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.plain, currency) == money
    assert money.decimal == Decimal(minor) / 10 ** get_currency_digits(currency)
    assert len(money.plain.partition(".")[2]) == get_currency_digits(currency)


@given(left=amounts, right=amounts, currency=codes)
def test_adding_loses_no_unit(left: int, right: int, currency: str) -> None:
    assert (Money(left, currency) + Money(right, currency)).amount == left + right


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="two currencies"):
        Money(1, "AUD") + Money(1, "USD")


@pytest.mark.parametrize("amount", [1.0, Decimal(1), "1", True, None])
def test_money_is_counted_in_whole_units_only(amount: object) -> None:
    with pytest.raises(TypeError):
        Money(amount, "AUD")  # type: ignore[arg-type]


def test_no_money_is_false() -> None:
    assert not Money(0, "AUD")
    assert Money(1, "AUD")
