"""What upper floors say on the pages and mails of signing in: where somebody goes next, and for whom an account is."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from wisepay.addresses import get_local_path
from wisepay.events import add_once
from wisepay.models import User
from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class Destination:
    """What somebody who signs in is on the way to: what for, at which merchant, how much, and the other ways."""

    merchant: str
    what: str
    amount: Money | None
    back_path: str
    register_path: str


DestinationReader = Callable[[str], Destination | None]
DESTINATION_READERS: list[DestinationReader] = []
MerchantReader = Callable[[User], Iterable[str]]
MERCHANT_READERS: list[MerchantReader] = []
# The first that fits: those further down name themselves in the strings of those above.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome"}
BROWSERS |= {"SamsungBrowser": "Samsung Internet", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS X": "macOS"}
SYSTEMS |= {"CrOS": "ChromeOS", "Linux": "Linux"}


def register_destination_reader(reader: DestinationReader) -> DestinationReader:
    """Register a function that describes a path of its floor; None for other paths."""
    return add_once(DESTINATION_READERS, reader)


def find_destination(path: str) -> Destination | None:
    """What the page at `path` is for, if an upper floor knows it."""
    local = get_local_path(path)
    found = (reader(local) for reader in DESTINATION_READERS if local)
    return next((one for one in found if one is not None), None)


def register_merchant_reader(reader: MerchantReader) -> MerchantReader:
    """Register a function that names the merchants for which a person has an account."""
    return add_once(MERCHANT_READERS, reader)


def list_merchant_names(user: User) -> list[str]:
    """The merchants for which the person has an account, by name."""
    return sorted({name for reader in MERCHANT_READERS for name in reader(user)})


def describe_browser(user_agent: str) -> str:
    """The browser as its user knows it, for example "Firefox on Windows"."""
    browser = next((name for mark, name in BROWSERS.items() if re.search(rf"\b{mark}/", user_agent)), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("an unknown browser")
