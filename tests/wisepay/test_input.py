"""Words, ids, months and JSON that people and other systems send, and the lines of CSV files."""

import csv
import json
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from wisepay.forms import MailField, ParagraphsField, RowIdField, WordsField
from wisepay.input import (
    BIDI_CONTROLS,
    UnreadableBody,
    UnreadableText,
    is_control,
    is_id,
    normalise_text,
    parse_month,
    parse_reference,
    parse_search,
    read_json,
)
from wisepay.spreadsheets import render_csv_line

NOTHING = [
    "",
    " ",
    "\u200b",
    "\u200b\u200d\u2060\ufeff",
    "\u00ad",
    "\u3164",
    "\u2800",
    "\ufe0f",
    "\u200e\u200f",
    "\xa0",
]
REFUSED = ["a\x00b", "a\x1bb", "a\x7fb", "a\x9bb", "a\ud800b", "a\u202eb", "a\u2066b", "a\nb", "a\tb", "a\u2028b"]
ACCEPTED = {
    "  Ada  ": "Ada",
    "Zo\u0065\u0308": "Zoë",
    "\ufeffAda\u200b": "Ada",
    "שלום עולם": "שלום עולם",
    "مرحبا\u200f": "مرحبا\u200f",
    "می\u200cخواهم": "می\u200cخواهم",
    "👩\u200d🔧 Repairs": "👩\u200d🔧 Repairs",
    "O'Brien & Söhne <b>": "O'Brien & Söhne <b>",
}


@pytest.mark.parametrize("text", NOTHING, ids=ascii)
def test_what_nobody_can_see_is_empty(text: str) -> None:
    assert normalise_text(text) == ""
    assert parse_search(text) == ""
    with pytest.raises(forms.ValidationError, match="required"):
        WordsField(max_length=20).clean(text)


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_what_no_words_hold_is_refused_in_words(text: str) -> None:
    with pytest.raises(UnreadableText, match=r"^Remove "):
        normalise_text(text)
    with pytest.raises(forms.ValidationError, match="Remove "):
        WordsField(max_length=20).clean(text)
    assert BIDI_CONTROLS.isdisjoint(parse_search(text))


@pytest.mark.parametrize("text", ACCEPTED, ids=ascii)
def test_words_of_every_script_are_kept(text: str) -> None:
    assert normalise_text(text) == ACCEPTED[text]
    assert WordsField(max_length=20).clean(text) == ACCEPTED[text]


@given(st.text())
def test_what_is_accepted_once_is_accepted_as_it_is(text: str) -> None:
    try:
        found = normalise_text(text)
    except UnreadableText:
        return
    assert normalise_text(found) == found
    assert not any(is_control(c, has_lines=False) or c in BIDI_CONTROLS for c in found)


def test_paragraphs_keep_their_lines_and_nothing_else() -> None:
    assert ParagraphsField(max_length=20).clean("one\r\n\ttwo") == "one\r\n\ttwo"
    for bad in ("a\x00b", "a\u202eb", "a\x0bb"):
        with pytest.raises(forms.ValidationError, match="Remove "):
            ParagraphsField(max_length=20).clean(bad)


def test_a_long_text_is_counted_as_it_is_stored() -> None:
    assert WordsField(max_length=5).clean("e\u0308" * 5) == "ë" * 5
    for long in ("x" * 6, "x" * 10_000, "\u0958" * 5, "\u200b" * 10_000):
        with pytest.raises(forms.ValidationError, match="at most 5"):
            WordsField(max_length=5).clean(long)


@pytest.mark.parametrize("text", ['"\x01"@example.com', "a\x00@example.com", "a\u202e@example.com", "a@b.c" * 90])
def test_an_address_with_controls_is_none(text: str) -> None:
    with pytest.raises(forms.ValidationError):
        MailField().clean(text)


@pytest.mark.parametrize("text", ["-1", "0", str(2**63), "9" * 5000, "1e3", "NaN", "x", "1.5", "١"])
def test_a_number_that_is_no_rows_id_is_refused_in_words(text: str) -> None:
    if text == "١":  # a digit all the same
        assert RowIdField().clean(text) == 1
        return
    with pytest.raises(forms.ValidationError, match="Reload the page"):
        RowIdField().clean(text)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-00", "2026-13", "1999-12", "2101-01", "９９99-01", "2026-1", "x" * 9999]
)
def test_what_is_no_month_is_none(text: str) -> None:
    assert parse_month(text) is None


def test_ids_are_plain() -> None:
    assert is_id("evt_1Nxyz", longest=20)
    assert is_id("4b6a5a3e-0000", longest=20)
    for bad in ("", "evt_\x00", "evt 1", "é", "x" * 21, "evt_1\n", "_"):
        assert not is_id(bad, longest=20)
    assert parse_reference("abc-12_Z") == "abc-12_Z"
    assert [parse_reference(bad) for bad in ("", "a\x00", "é", "a" * 65, "a\n")] == [""] * 5


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 200_000, b'{"a":' * 200_000, b"[" * 100 + b"]" * 100, b"9" * 9000]
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read_json(body)


@pytest.mark.parametrize("value", [None, 1, "x", [], {"a": [{"b": [1, {"c": None}]}]}, [[[[[[]]]]]]])
def test_a_body_that_vendors_send_is_read(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\uff1d1", "  \t@x"]
)
def test_no_text_of_a_file_is_a_formula(text: str) -> None:
    line = render_csv_line([text, Decimal("-5.00"), "Ada"])
    assert next(csv.reader([line])) in ([f"'{text}", "-5.00", "Ada"], [f"'{text}".replace("\r", "\n"), "-5.00", "Ada"])
