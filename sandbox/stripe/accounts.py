"""The accounts of the practice Stripe: one for every secret key somebody thought of."""

from __future__ import annotations

import re
from typing import Any

from sandbox.stripe.errors import ApiError, bad_key, missing_object
from sandbox.world import World

Obj = dict[str, Any]
KEY = re.compile(r"^(sk|rk|pk)_test_([A-Za-z0-9_-]{1,200})$")
SECTION = "stripe"
MOST_KEPT = 5_000


class Account:
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
        return f"pk_test_{self.data['suffix']}"

    def now(self) -> int:
        """Seconds since the epoch by the sandbox's clock."""
        return int(self.world.now().timestamp())

    def table(self, kind: str) -> dict[str, Obj]:
        """All objects of a kind by id, oldest first."""
        found: dict[str, Obj] = self.data["objects"].setdefault(kind, {})
        return found

    def add(self, item: Obj) -> Obj:
        """Keep a new object; the oldest goes when there are too many."""
        table = self.table(item["object"])
        table[item["id"]] = item
        if len(table) > MOST_KEPT:
            del table[next(iter(table))]
        return item

    def find(self, kind: str, name: str, param: str = "id") -> Obj:
        """The object with this id; raises the 404 of Stripe."""
        found = self.table(kind).get(name)
        if found is None:
            raise missing_object(kind, name, param)
        return found

    def private(self, name: str) -> Obj:
        """What we know about an object and do not show."""
        found: Obj = self.data["private"].setdefault(name, {})
        return found


def accounts(world: World) -> dict[str, Obj]:
    """The data of every account by the end of its key."""
    found: dict[str, Obj] = world.section(SECTION).setdefault("accounts", {})
    return found


def every_account(world: World) -> list[Account]:
    """Each account, for timers and for pages."""
    return [Account(world, data) for data in accounts(world).values()]


def account_for(world: World, key: str) -> tuple[Account, bool]:
    """The account of a key, made if it is new, and whether the key is a browser's.

    Raises the 401 of Stripe for a key that is malformed or starts with `bad`.
    """
    match = KEY.match(key)
    if match is None or match[2].startswith("bad"):
        raise bad_key(masked(key))
    kind, suffix = match[1], match[2]
    known = accounts(world)
    if suffix not in known:
        known[suffix] = fresh(world, suffix)
    return Account(world, known[suffix]), kind == "pk"


def fresh(world: World, suffix: str) -> Obj:
    """A new account without any objects."""
    return {
        "id": world.id("acct", 16),
        "suffix": suffix,
        "created": int(world.now().timestamp()),
        "objects": {},
        "private": {},
        "keys": {},
        "deliveries": {},
        "timers": [],
    }


def masked(key: str) -> str:
    """A key as it may be shown in an error."""
    return key[:8] + "*" * max(len(key) - 12, 4) + key[-4:] if len(key) > 12 else "*" * len(key)


def by_client_secret(world: World, secret: str) -> tuple[Account, Obj]:
    """The intent that a browser holds the secret of; raises a 404."""
    name = secret.split("_secret_", 1)[0]
    kind = "setup_intent" if name.startswith("seti_") else "payment_intent"
    for account in every_account(world):
        found = account.table(kind).get(name)
        if found and found["client_secret"] == secret:
            return account, found
    raise missing_object(kind, name, "intent")


def secret_fits(item: Obj, secret: str | None) -> None:
    """Raise unless a browser proved that it may see this intent."""
    if not secret:
        raise ApiError(
            "A publishable key needs the client_secret of the intent.",
            code="parameter_missing",
            param="client_secret",
        )
    if item["client_secret"] != secret:
        raise ApiError(
            "The client_secret provided does not match the client_secret associated with this intent.",
            code=f"{item['object']}_invalid_parameter",
            param="client_secret",
        )
