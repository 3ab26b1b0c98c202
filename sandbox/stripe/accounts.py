"""The accounts of the practice Stripe: one for every secret key somebody thought of, with a test and a live half.

`sk_test_acme` and `sk_live_acme` are the two modes of one account, which know nothing of each other's objects. What
follows two underscores is which key of it: `sk_test_acme__2` is the key that `sk_test_acme` was rolled to.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.core.world import World
from sandbox.stripe.errors import (
    StripeApiError,
    build_expired_key_error,
    build_invalid_key_error,
    build_missing_object_error,
)

Obj = dict[str, Any]
KEY = re.compile(r"^(sk|rk|pk)_(test|live)_([A-Za-z0-9_-]{1,200})$")
ROLLED = "__"
SECTION = "stripe"
MAX_OBJECTS = 5_000


class StripeAccount:
    """One account's objects for the length of one request or timer.

    `cause` is the request's id and idempotency key, which events repeat.
    """

    def __init__(self, world: World, data: Obj, cause: tuple[str | None, str | None] = (None, None)) -> None:
        self.world = world
        self.data = data
        self.cause = cause

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def publishable_key(self) -> str:
        return f"pk_{self.mode}_{self.data['suffix']}"

    @property
    def mode(self) -> str:
        """Which half of the account this is: test or live."""
        return "live" if self.data.get("livemode") else "test"

    def now(self) -> int:
        """Seconds since the epoch by the sandbox's clock."""
        return int(self.world.now().timestamp())

    def table(self, kind: str) -> dict[str, Obj]:
        """All objects of a kind by id, oldest first."""
        found: dict[str, Obj] = self.data["objects"].setdefault(kind, {})
        return found

    def add(self, item: Obj) -> Obj:
        """Store a new object; the oldest is dropped when there are too many."""
        if "livemode" in item:
            item["livemode"] = self.mode == "live"
        table = self.table(item["object"])
        table[item["id"]] = item
        if len(table) > MAX_OBJECTS:
            del table[next(iter(table))]
        return item

    def find(self, kind: str, name: str, param: str = "id") -> Obj:
        """The object with this id; raises the 404 of Stripe."""
        found = self.table(kind).get(name)
        if found is None:
            raise build_missing_object_error(kind, name, param, self.find_other_mode(kind, name))
        return found

    def find_other_mode(self, kind: str, name: str) -> str:
        """The other mode of this account, if it has an object of this id; else empty."""
        other = get_accounts(self.world).get(get_account_name(self.data["suffix"], live=self.mode == "test"), {})
        return ("live" if self.mode == "test" else "test") if name in other.get("objects", {}).get(kind, {}) else ""

    def private_data(self, name: str) -> Obj:
        """The data about an object that the API does not show."""
        found: Obj = self.data["private"].setdefault(name, {})
        return found


def get_accounts(world: World) -> dict[str, Obj]:
    """The data of every account by the end of its key."""
    found: dict[str, Obj] = world.get_section(SECTION).setdefault("accounts", {})
    return found


def list_accounts(world: World) -> list[StripeAccount]:
    """Each account, for timers and for pages."""
    return [StripeAccount(world, data) for data in get_accounts(world).values()]


def get_or_create_account(world: World, key: str) -> tuple[StripeAccount, bool]:
    """The account of a key, created if it is new, and whether the key is a browser's.

    Raises the 401 of Stripe for a key that is malformed, starts with `bad`, or was rolled.
    """
    match = KEY.match(key)
    if match is None or match[3].startswith("bad"):
        raise build_invalid_key_error(mask_key(key))
    kind, live, suffix = match[1], match[2] == "live", match[3].partition(ROLLED)[0]
    if kind != "pk" and f"{match[2]}_{match[3]}" in list_revoked_keys(world):
        raise build_expired_key_error(mask_key(key))
    known, name = get_accounts(world), get_account_name(suffix, live=live)
    if name not in known:
        known[name] = build_account(world, suffix, live=live)
    return StripeAccount(world, known[name]), kind == "pk"


def get_account_name(suffix: str, *, live: bool) -> str:
    """Under what the half of an account is kept."""
    return f"{suffix}/live" if live else suffix


def list_revoked_keys(world: World) -> list[str]:
    """The ends of the secret keys that were rolled, with their mode."""
    found: list[str] = world.get_section(SECTION).setdefault("revoked_keys", [])
    return found


def roll_keys(account: StripeAccount) -> Obj:
    """Let the account's present secret key end at once; returns the new ones."""
    revoked, suffix = list_revoked_keys(account.world), account.data["suffix"]
    number = 1 + sum(end.partition(ROLLED)[0] == f"{account.mode}_{suffix}" for end in revoked)
    revoked.append(f"{account.mode}_{suffix}" + (f"{ROLLED}{number}" if number > 1 else ""))
    end = f"{account.mode}_{suffix}{ROLLED}{number + 1}"
    return {"secret_key": f"sk_{end}", "publishable_key": f"pk_{end}"}


def build_account(world: World, suffix: str, *, live: bool) -> Obj:
    """A new half of an account without any objects, of the same id as the other half."""
    other = get_accounts(world).get(get_account_name(suffix, live=not live))
    return {
        "id": other["id"] if other else world.id("acct", 16),
        "suffix": suffix,
        "livemode": live,
        "created": int(world.now().timestamp()),
        "objects": {},
        "private": {},
        "keys": {},
        "deliveries": {},
        "timers": [],
    }


def mask_key(key: str) -> str:
    """A key as it may be shown in an error."""
    return key[:8] + "*" * max(len(key) - 12, 4) + key[-4:] if len(key) > 12 else "*" * len(key)


def find_intent_by_client_secret(world: World, secret: str) -> tuple[StripeAccount, Obj]:
    """The intent that a browser holds the secret of; raises a 404."""
    name = secret.split("_secret_", 1)[0]
    kind = "setup_intent" if name.startswith("seti_") else "payment_intent"
    for account in list_accounts(world):
        found = account.table(kind).get(name)
        if found and found["client_secret"] == secret:
            return account, found
    raise build_missing_object_error(kind, name, "intent")


def check_client_secret(item: Obj, secret: str | None) -> None:
    """Raise unless a browser proved that it may see this intent."""
    if not secret:
        raise StripeApiError(
            "A publishable key needs the client_secret of the intent.",
            code="parameter_missing",
            param="client_secret",
        )
    if item["client_secret"] != secret:
        raise StripeApiError(
            "The client_secret provided does not match the client_secret associated with this intent.",
            code=f"{item['object']}_invalid_parameter",
            param="client_secret",
        )
