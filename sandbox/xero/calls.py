"""One admitted call to the accounting API: its organisation, its parameters, its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sandbox.xero.errors import build_bad_request
from sandbox.xero.formats import build_envelope
from sandbox.xero.organisation import Organisation, Record


class XeroReply(NamedTuple):
    """An answer: a JSON-able body (Decimals and dates allowed), plain text or a PDF."""

    status: int
    body: dict[str, Any] | str | bytes


@dataclass(frozen=True, kw_only=True)
class XeroCall:
    """A call as a handler sees it. `sent` is the parsed body, numbers as Decimal."""

    org: Organisation
    client: str
    path: Mapping[str, str]
    params: Mapping[str, str]
    modified_since: datetime | None = None
    sent: Any = None
    as_pdf: bool = False
    notes: dict[str, Any] = field(default_factory=dict)  # of the call's journal line

    @property
    def places(self) -> int:
        """Decimals of unit amounts: 2, or 4 when `unitdp=4`."""
        return 4 if self.params.get("unitdp") == "4" else 2

    @property
    def summarize(self) -> bool:
        """Whether one bad element fails the whole call."""
        return self.params.get("summarizeErrors", "true").lower() != "false"

    def flag(self, name: str) -> bool:
        """A true/false parameter, false when absent."""
        return self.params.get(name, "").lower() == "true"

    def ids(self, name: str) -> set[str]:
        """A comma-separated parameter, in lower case."""
        return {part.strip().lower() for part in self.params.get(name, "").split(",") if part.strip()}

    def parse_positive(self, name: str, default: int, most: int) -> int:
        """A positive whole number parameter; raises RefusedError (400)."""
        text = self.params.get(name, str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise build_bad_request(10, "ValidationException", f"The {name} parameter must be from 1 to {most}")
        return int(text)

    def ok(self, **content: Any) -> XeroReply:
        """A successful answer around `content`."""
        return XeroReply(200, build_envelope(self.org.now, **content))


CallHandler = Callable[[XeroCall], XeroReply]
RecordView = Callable[[Record], Record]
