"""The values that nobody means: for a form's field, for a query, for a part of a path, for JSON."""

from typing import Any

LONG = "x" * 10_000
TEXTS: dict[str, str] = {
    "empty": "",
    "spaces": "   ",
    "zero-width only": "\u200b\u2060\ufeff",
    "filler only": "\u3164",
    "zero": "0",
    "negative": "-1",
    "fraction": "1.5",
    "beyond a bigint": str(2**63),
    "5,000 digits": "9" * 5_000,
    "1e309": "1e309",
    "not a number": "NaN",
    "infinity": "Infinity",
    "true": "true",
    "a list": "[]",
    "an object": '{"a": {"b": []}}',
    "10,000 letters": LONG,
    "NUL": "a\0b",
    "only NUL": "\0",
    "control": "a\x1b[31mb",
    "C1 control": "a\x85b",
    "line breaks": "a\r\nBcc: everybody@example.com\r\n\r\nb",
    "direction": "a\u202eb",
    "isolate": "\u2066a",
    "line separator": "a\u2028b",
    "right to left": "שלום مرحبا",
    "emoji": "👩\u200d🔧🇦🇺",
    "combining": "e\u0301\u0958",
    "full-width digits": "１２",
    "unknown reference": "none0such0thing0here",
    "markup": "<script>alert(1)</script>{{ 7|add:7 }}",
    "formula": "=HYPERLINK(1)",
    "SQL": "' OR 1=1 --",
    "path": "//evil.example/../..",
    "day zero": "0000-00-00",
    "last day": "9999-12-31",
    "31 February": "2026-02-31",
    "first day": "0001-01-01",
    "month 13": "2026-13",
}
# What a browser cannot send but anybody else can: raw bytes of a form's field.
RAW_BYTES = {"invalid UTF-8": "%ff%fe", "half a character": "%ed%a0%80", "encoded NUL": "%00", "broken escape": "%zz%"}
PATH_TEXTS = {
    "unknown": "none0such0thing0here",
    "10,000 letters": LONG,
    "beyond a bigint": str(2**63),
    "5,000 digits": "9" * 5_000,
    "NUL": "%00",
    "direction": "%E2%80%AE",
    "invalid UTF-8": "%ff",
    "zero": "0",
    "day zero": "0000-00-00",
    "last day": "9999-12-31",
    "31 February": "2026-02-31",
}


def nest(levels: int) -> Any:
    """Lists inside each other."""
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


JSON_VALUES: dict[str, Any] = {
    **TEXTS,
    "null": None,
    "a flag": True,
    "a number": 7,
    "a fraction": 1.5,
    "NaN itself": float("nan"),
    "infinity itself": float("inf"),
    "a huge number": 2**70,
    "an empty list": [],
    "an empty object": {},
    "a list of lists": [[{}]],
    "500 levels": nest(500),
    "half a character": "a\ud800b",
    "only half a character": "\ud800",
}

# Names of fields that nobody means.
NAMES: dict[str, str] = {**TEXTS, "half a character": "a\ud800b", "only half a character": "\ud800"}
