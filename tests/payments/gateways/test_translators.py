"""Whatever Stripe answers, nothing but our own errors comes out of the gateway, and money is never decided wrongly.

Every answer that the practice Stripe really gave is changed in one place: dropped, null, another type, an unknown word,
10,000 letters, one more field. Vendor page: docs.stripe.com/upgrades ("adding new properties", new values of enums).
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from payments.gateways import OperationResult, RefundResult, RemoteDispute, RemoteMethod, open_gateway
from sandbox.harness.sandbox_process import SandboxProcess
from tests.examples import how
from tests.payments.gateways.verbs import PracticeWork, Verb
from tests.tenants import Tenant
from wisepay.addresses import new_reference
from wisepay.errors import Rejected, Unavailable
from wisepay.models import OutboxMessage

LONG_TEXT = "x" * 10_000
ODD_VALUES: list[Any] = [None, 7, -5, True, "UNHEARD", LONG_TEXT, "\0", [], {}, [None], 10**30, 0.5]
# The places that decide: they are drawn as often as all others together.
DECISIVE = (
    "id", "object", "status", "amount", "amount_received", "currency", "metadata", "customer", "data", "has_more",
    "deleted", "latest_charge", "last_payment_error", "payment_method", "next_action", "fee", "reason", "type",
)  # fmt: skip
# What Stripe itself would mean by it: no refunds, a method that is nobody's, an amount that is another.
MEANT = ("amount", "amount_received", "currency", "data", "has_more", "metadata", "fee")
# A list that is one row shorter is what Stripe answers where there is one row less.
ROW = re.compile(r"data\.\d+")
# The id of what is made is known from this answer only.
MAKING = ("start", "start declined", "save_method")
MADE_IDS = ("id", "error.payment_intent.id")
Place = tuple[str, str]


def list_paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every place in an answer, as the sandbox names it, and one more field beside them."""
    if isinstance(value, dict):
        yield ".".join((*path, "from_the_future"))
    places = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, inner in places:
        if "." not in str(name):
            yield ".".join((*path, str(name)))
            yield from list_paths(inner, (*path, str(name)))


def record_answers(
    world: SandboxProcess, work: PracticeWork, verbs: dict[str, Verb]
) -> tuple[dict[str, Any], list[Place]]:
    """What every verb answers, and every place in the answers that it was given."""
    found, places = {}, []
    for verb, call in verbs.items():
        before = len(world.journal("stripe", bodies=False))
        found[verb] = call(open_gateway(work.key))
        for answer in world.journal("stripe", since=before):
            if answer["response_body"].startswith("{"):
                places += [(verb, path) for path in list_paths(json.loads(answer["response_body"]))]
    return found, list(dict.fromkeys(places))


def list_texts(found: Any) -> Iterator[str]:
    """Every text in a result."""
    if isinstance(found, str):
        yield found
    elif is_dataclass(found):
        for field in fields(found):
            yield from list_texts(getattr(found, field.name))
    elif isinstance(found, list | tuple):
        for one in found:
            yield from list_texts(one)


def find_problem(usual: Any, found: Any, *, verb: str, field: str, value: Any) -> str:
    """What is wrong with a result of a changed answer, beside what it was; empty when nothing is."""
    if any(len(text) > 2000 or "\0" in text for text in list_texts(found)):
        return "a text that no column holds"
    is_meant = field.rpartition(".")[2] in MEANT or (value == "dropped" and ROW.fullmatch(field) is not None)
    if isinstance(usual, OperationResult):
        return find_operation_problem(usual, found, is_meant=is_meant, verb=verb, field=field)
    if isinstance(usual, RemoteMethod):
        return "" if found.customer_id or (field == "customer" and value is None) else "a method is taken for nobody's"
    if isinstance(usual, bool):
        is_refused = field == "deleted" or (field == "client_secret" and isinstance(value, str))
        return "" if found is usual or is_refused else f"{usual} is taken for {found}"
    return find_list_problem(usual, found, is_meant=is_meant)


def find_operation_problem(
    usual: OperationResult, found: OperationResult | None, *, is_meant: bool, verb: str, field: str
) -> str:
    """What is wrong with what is said of a charge or a setup."""
    if found is None:
        return "" if is_meant or "metadata" in field else "a charge is taken for none"
    if found.intent_id != usual.intent_id and not (verb in MAKING and field in MADE_IDS):
        return "another charge"
    if found.status not in (usual.status, "processing"):
        return f"{usual.status} is taken for {found.status}"
    return "" if found.amount == usual.amount or is_meant or found.status != usual.status else "another amount"


def find_list_problem(usual: Any, found: Any, *, is_meant: bool) -> str:
    """What is wrong with a list of refunds or disputes."""
    if not isinstance(usual, list) or not usual or not isinstance(usual[0], RefundResult | RemoteDispute):
        return ""
    if not is_meant and [one.amount for one in found] != [one.amount for one in usual]:
        return "money is missing"
    return "" if all(one.amount.amount >= 0 for one in found) else "no amount"


@pytest.fixture
def work(world: SandboxProcess) -> PracticeWork:
    world.config(stripe_rate_limit=100_000)
    return PracticeWork(world, f"sk_test_mut{new_reference()}")


def test_every_answer_that_was_given_may_be_wrong_in_any_place(world: SandboxProcess, work: PracticeWork) -> None:
    verbs = work.list_verbs()
    del verbs["delete_endpoint"]  # deletes what others look at
    usual, places = record_answers(world, work, verbs)
    decisive = [place for place in places if place[1].rpartition(".")[2] in DECISIVE]
    assert len(places) > 1000
    assert len(decisive) > 200

    def verify(place: Place, value: Any, drop: bool) -> None:
        verb, field = place
        with (
            world.inject_fault("stripe", "mutate", field=field, value=value, drop=drop, times=None),
            suppress(Unavailable, Rejected),
        ):
            found = verbs[verb](open_gateway(work.key))
            problem = find_problem(usual[verb], found, verb=verb, field=field, value="dropped" if drop else value)
            assert problem == "", (verb, field, value, drop)

    if os.environ.get("THOROUGH") == "all":  # in some seven minutes
        for place, value in product(places, ODD_VALUES):
            verify(place, value, drop=False)
        for place in places:
            verify(place, None, drop=True)
    else:
        drawn = st.one_of(st.sampled_from(places), st.sampled_from(decisive))
        how(given(drawn, st.sampled_from(ODD_VALUES), st.booleans())(verify))()


# ---- a payer's payment, while one answer is wrong -------------------------------------------------------

PLACES = (
    "id", "object", "status", "amount", "amount_received", "currency", "metadata", "metadata.attempt", "latest_charge",
    "latest_charge.payment_method_details", "payment_method", "payment_method.card", "client_secret", "next_action",
    "last_payment_error", "created", "from_the_future",
)  # fmt: skip


@pytest.mark.parametrize("field", PLACES)
def test_a_payment_is_taken_once_and_rightly_whatever_was_wrong_in_an_answer(
    tenant: Tenant, deliver: Callable[..., int], field: str
) -> None:
    """One wrong answer to the charge, and another to the first look at it: what is recorded is what Stripe took."""
    odd: tuple[Any, ...] = (None, 7, "UNHEARD", {}, LONG_TEXT)
    for value in odd:
        checkout = tenant.open_checkout()
        before = tenant.total_charged()
        for method in ("POST", "GET"):
            tenant.world.fault("stripe", "mutate", field=field, value=value, method=method, path="/v1/payment_intents*")
        assert checkout.pay().status_code < 500, (field, value)
        for hour in (0, 1, 3):
            deliver(at=timezone.now() + timedelta(hours=hour))
        tenant.world.clear_faults()
        deliver(at=timezone.now() + timedelta(hours=5))
        assert tenant.total_charged() - before == 62_500
        [attempt], payment = checkout.attempts, checkout.payment
        assert (attempt.state, payment.paid_amount) == ("succeeded", 62_500), (field, value)
        assert not OutboxMessage.objects.filter(state="dead").exists(), (field, value)
