"""What parsing has in common, whichever accounting package wrote the rows: fields, lists, unreadable rows.

One row that cannot be read holds up itself only: it is kept with its id, its name and the reason, and the rest goes on.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from json import loads
from typing import Any, Protocol

import structlog

from accounting.ledgers.orders import WriteResult
from accounting.ledgers.remote_documents import UnreadableRow
from wisepay.errors import Unavailable
from wisepay.money import Money, get_currency_digits

log = structlog.get_logger(__name__)

RemoteRow = dict[str, Any]
ID_FIELDS = ("Id", "InvoiceID", "CreditNoteID", "PaymentID", "ContactID", "AccountID", "BrandingThemeID", "TaxType")
NAME_FIELDS = ("InvoiceNumber", "CreditNoteNumber", "DocNumber", "DisplayName", "Name", "Reference", "PaymentRefNum")
UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
LONGEST_ID, LONGEST_NAME, LONGEST_REASON = 60, 160, 300
LARGEST_AMOUNT = Decimal(10) ** 14  # above every amount of books; its minor units still fit the database


class UnreadableField(ValueError):
    """A field that cannot be understood; the message is a sentence for people."""


class NumberedOrder(Protocol):
    """Any order: its number names its result."""

    @property
    def number(self) -> str: ...


# ---- answers ----------------------------------------------------------------------------------------


def parse_json_answer(body: bytes | str) -> RemoteRow:
    """Parse an answer's JSON object, with Decimals for fractions; a bare list is the object's only value.

    Raises ValueError for everything else: HTML, nothing at all, JSON that was cut.
    """
    try:
        found = loads(body, parse_float=Decimal)
    except RecursionError as error:
        raise ValueError("the answer is nested too deeply") from error
    if isinstance(found, list):
        return {"": found}
    if not isinstance(found, dict):
        raise ValueError("the answer is no JSON object")
    return found


def list_rows(body: RemoteRow, name: str) -> list[Any]:
    """Return the list that was asked for. Raises Unavailable without one: what is not answered may well exist."""
    found = body.get(name)
    if not isinstance(found, list):
        raise Unavailable(f"The answer of the accounting package has no list of {name}")
    return found


# ---- rows -------------------------------------------------------------------------------------------


def parse_rows[T](
    rows: Iterable[Any], parse: Callable[[RemoteRow], T], unreadable: list[UnreadableRow] | None = None
) -> list[T]:
    """Parse the rows; those that cannot be read are logged and added to `unreadable`, and the others go on."""
    found = []
    for row in rows:
        try:
            found.append(parse(row))
        except UNREADABLE as error:
            fault = describe_unreadable(row, error)
            log.error("ledger.unreadable", document=fault.id, reason=fault.reason)
            if unreadable is not None:
                unreadable.append(fault)
    return found


def describe_unreadable(row: Any, error: Exception) -> UnreadableRow:
    """Describe a row that cannot be read by what of it still can."""
    fields = row if isinstance(row, dict) else {}
    ids = (get_text(fields, name) for name in ID_FIELDS)
    names = (get_text(fields, name) for name in NAME_FIELDS)
    return UnreadableRow(
        id=next((text[:LONGEST_ID] for text in ids if text), ""),
        name=next((text[:LONGEST_NAME] for text in names if text), ""),
        reason=explain_unreadable(error)[:LONGEST_REASON],
    )


def explain_unreadable(error: Exception) -> str:
    """Say for people why a row cannot be read."""
    if isinstance(error, UnreadableField):
        return str(error)
    if isinstance(error, KeyError):
        return f"“{error.args[0]}” is missing."
    return f"It is written in a way that we cannot read ({type(error).__name__})."


def choose_results[O: NumberedOrder](
    orders: Iterable[O],
    list_candidates: Callable[[O], Iterable[Any]],
    is_requested: Callable[[Any, O], bool],
    read_id: Callable[[Any], str],
    *,
    is_ours: Callable[[Any, O], bool] = lambda row, order: True,
    name_id: Callable[[O], str] = lambda order: "",
) -> list[WriteResult]:
    """Choose for each order, among all candidates, the one that it asked for, rather one that `is_ours`.

    The result's id is the candidate's, or what `name_id` names instead. Orders without one are left out. Where none
    fits and a candidate cannot be read, the result says so instead.
    """
    found = []
    for order in orders:
        fitting: list[tuple[bool, str]] = []
        reasons: list[str] = []
        for row in list_candidates(order):
            try:
                if is_requested(row, order):
                    fitting.append((not is_ours(row, order), name_id(order) or read_id(row)))
            except UNREADABLE as error:
                reasons.append(explain_unreadable(error))
        if fitting:
            found.append(WriteResult(order.number, id=min(fitting, key=lambda pair: pair[0])[1]))
        elif reasons:
            found.append(WriteResult(order.number, unreadable=reasons[0]))
    return found


def group_rows(rows: Iterable[Any], name: str) -> dict[str, list[RemoteRow]]:
    """Group rows by a field's text; numbers are unique in no package, so every row of one is kept."""
    grouped: dict[str, list[RemoteRow]] = {}
    for row in rows:
        fields = row if isinstance(row, dict) else {}
        grouped.setdefault(get_text(fields, name), []).append(fields)
    return grouped


def get_candidates(grouped: dict[str, list[RemoteRow]], key: str) -> Sequence[Any]:
    """Return the rows of a key; without any, a row that nobody can read stands for those whose key cannot be read."""
    return grouped.get(key) or ([""] if "" in grouped else [])


# ---- fields -----------------------------------------------------------------------------------------


def get_text(row: RemoteRow, name: str) -> str:
    """Return a field as text that can be stored; empty where it is none."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def read_id(row: RemoteRow, name: str) -> str:
    """Read an id. Raises UnreadableField for what can be none."""
    text = get_text(row, name).strip()
    if not text or len(text) > LONGEST_ID:
        raise UnreadableField(f"“{name}” is no id.")
    return text


def read_word[W: str](row: RemoteRow, name: str, words: dict[str, W]) -> W:
    """Read one of a list of words. Raises UnreadableField for one that we do not know."""
    text = get_text(row, name)
    if text not in words:
        raise UnreadableField(f"“{name}” is “{text[:40]}”, which we do not know.")
    return words[text]


def read_currency(value: object) -> str:
    """Read a currency's code. Raises UnreadableField."""
    if not isinstance(value, str) or len(value) != 3 or not value.isascii() or not value.isalpha():
        raise UnreadableField("The currency is missing or unknown.")
    return value.upper()


def read_object(row: RemoteRow, name: str) -> RemoteRow:
    """Read an object inside a row; one that is missing is empty. Raises UnreadableField for anything else."""
    value = row.get(name)
    if value is not None and not isinstance(value, dict):
        raise UnreadableField(f"“{name}” is written in a way that we cannot read.")
    return value or {}


def read_list(row: RemoteRow, name: str) -> list[RemoteRow]:
    """Read a list of objects inside a row; one that is missing is empty. Raises UnreadableField for anything else."""
    value = row.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        raise UnreadableField(f"“{name}” is written in a way that we cannot read.")
    return value or []


def get_objects(row: RemoteRow, name: str) -> list[RemoteRow]:
    """Return the objects of a list inside a row, as far as it is one."""
    value = row.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def read_number(value: object, name: str = "amount") -> Decimal:
    """Read a number; nothing is zero. Raises UnreadableField for what is none, or too large for books."""
    if value is None or value == "":
        return Decimal(0)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise ValueError
        number = Decimal(str(value))
        if not number.is_finite() or abs(number) >= LARGEST_AMOUNT:
            raise ValueError
    except (ValueError, ArithmeticError) as error:
        raise UnreadableField(f"The {name} is no number that we can read.") from error
    return number


def parse_money(value: object, currency: str) -> Money:
    """Parse an amount; nothing is zero. Raises UnreadableField."""
    digits = get_currency_digits(read_currency(currency))
    return Money(int(round(read_number(value), digits).scaleb(digits)), currency)


def read_amount(row: RemoteRow, name: str, currency: str) -> Money:
    """Read an amount that must be there. Raises UnreadableField."""
    if row.get(name) is None:
        raise UnreadableField(f"“{name}” is missing.")
    return parse_money(row[name], currency)


def is_same_amount(value: object, amount: Money) -> bool:
    """Return whether a number that was read is this amount. Raises UnreadableField for what is no number."""
    return value is not None and read_number(value) == amount.decimal


def check_day(day: date) -> date:
    """Return the day, if it can be one of books. Raises UnreadableField."""
    if not 1900 <= day.year <= 2200:
        raise UnreadableField(f"{day.isoformat()} is no day of books.")
    return day


def check_instant(at: datetime) -> datetime:
    """Return the instant, if something can have changed then. Raises UnreadableField."""
    check_day(at.date())
    return at


def split_by_length(values: Sequence[str], fits: Callable[[Sequence[str]], bool]) -> list[Sequence[str]]:
    """Split the values into as few runs as fit; a single one goes alone, whatever its length."""
    found: list[Sequence[str]] = []
    begin = 0
    for end in range(1, len(values) + 1):
        if end - begin > 1 and not fits(values[begin:end]):
            found.append(values[begin : end - 1])
            begin = end - 1
    return [*found, values[begin:]] if values else []
