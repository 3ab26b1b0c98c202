"""What erasure puts in a field's place."""

import ipaddress
from typing import Any

from wisepay.personal_data.registry import Subject


def blank(value: Any, subject: Subject) -> str:
    """Nothing."""
    return ""


def empty(value: Any, subject: Subject) -> dict[str, Any]:
    """An object without fields."""
    return {}


def pseudonymise(value: Any, subject: Subject) -> str:
    """The subject's pseudonym, the same everywhere, so that rows which belong together still do."""
    return subject.pseudonym


def forget_host(value: Any, subject: Subject) -> str | None:
    """The network that an address is in: proof of where from, without the household."""
    if not value:
        return None
    address = ipaddress.ip_address(str(value))
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False).network_address)
