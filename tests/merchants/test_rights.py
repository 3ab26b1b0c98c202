"""Rights: every page names those that it needs, nobody is shown what they may not do, and who hears of what."""

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from merchants.access import get_needed_rights, list_needed_rights
from merchants.models import EventNotification, Notification
from merchants.notifications import RIGHTS_OF_EVENT, notify_merchant
from merchants.rights import EXPLANATIONS, Right
from payments.errors import RefundNotAllowed
from payments.refunds import start_refund
from tests.bad_input.cases import Case
from tests.bad_input.psa_cases import ALL_CASES
from tests.bad_input.scene import Scene
from tests.bad_input.trials import PageTrial
from tests.merchants.page_cases import CASES, PAYERS
from tests.merchants.test_access import GATED, RIGHTS, path_of, things
from tests.merchants.test_people import join
from tests.tenants import Checkout, Tenant, get_role, give_role
from wisepay import clock
from wisepay.models import AuditEntry

CONSOLE = [page for page in GATED if page.route.startswith("m/")]
FORM = re.compile(r"<form\b([^>]*)>")
LINK = re.compile(r'<a\b[^>]*\bhref="([^"]*)"|\bhx-get="([^"]*)"')
# Everybody may send these: they are about nobody but oneself.
OWN = {"merchants:read_notification", "merchants:saved_views", "merchants:leave"}


def test_every_page_of_the_console_names_the_rights_that_it_needs() -> None:
    assert {page.name for page in CONSOLE} == set(list_needed_rights())
    for page in CONSOLE:
        method, rights = CASES[page.name]
        assert set(get_needed_rights(page.name).list_for(method.upper())) == set(rights), page.name


def test_who_may_only_see_sends_nothing(tenant: Tenant, checkout: Checkout) -> None:
    values = things(tenant, checkout)
    give_role(tenant.merchant, "reader")
    for page in CONSOLE:
        if page.name not in OWN:
            assert tenant.admin.post(path_of(page, values)).status_code in (403, 405), page.name


def test_every_right_and_event_is_explained_and_heard_of() -> None:
    assert set(EXPLANATIONS) == set(Right.values)
    assert set(RIGHTS_OF_EVENT) == set(EventNotification.Event.values)


def list_offers(text: str, here: str) -> set[tuple[str, str]]:
    """The method and path of every form and link of a page."""
    found = {("GET", link) for pair in LINK.findall(text) for link in pair if link}
    for attributes in FORM.findall(text):
        action = re.search(r'\baction="([^"]*)"', attributes)
        method = "POST" if 'method="post"' in attributes else "GET"
        found.add((method, action[1] if action else here))
    return found


def find_needed(path: str, method: str) -> tuple[Right, ...]:
    """The rights that a page of the console asks for; none for every other address."""
    try:
        view: Any = resolve(path.partition("?")[0].partition("#")[0]).func
    except Resolver404:
        return ()
    return view.needed_rights.list_for(method) if hasattr(view, "needed_rights") else ()


@pytest.mark.parametrize("role", [*RIGHTS, "people", "settings", "manage_payers refund"])
def test_nobody_is_shown_what_they_may_not_do(tenant: Tenant, role: str) -> None:
    scene = Scene(tenant, "ours")
    give_role(tenant.merchant, role)
    rights = get_role(tenant.merchant, role).rights
    opened, wrong = 0, []
    for page in CONSOLE:
        if CASES[page.name][0] != "get" or CASES[page.name][1] == PAYERS or not rights & set(CASES[page.name][1]):
            continue
        path = PageTrial(page, ALL_CASES.get(page.name, Case()), scene, scene, {}).path
        answer = tenant.admin.get(path)
        if answer.status_code != 200 or not answer.get("Content-Type", "").startswith("text/html"):
            continue
        opened += 1
        for method, offer in list_offers(answer.getvalue().decode(), path):
            needed = find_needed(offer.replace("&amp;", "&"), method)
            if needed and not rights & set(needed):
                wrong.append(f"{page.name} offers {method} {offer}")
    assert opened > 20
    assert wrong == []


def order(client: Client, tenant: Tenant, checkout: Checkout, amount: str) -> Any:
    """The last step of a refund."""
    form = {"amount": amount, "key": "a" * 20, "reason": "", "step": "order"}
    return client.post(tenant.url(f"payments/{checkout.payment.reference}/refunds"), form)


def test_a_refund_above_the_roles_limit_is_refused_in_words(tenant: Tenant, checkout: Checkout) -> None:
    """Limits of refunds by role are Square's and Lightspeed's (squareup.com/help, Manage team permissions)."""
    assert checkout.pay().status_code == 200
    give_role(tenant.merchant, "refund", refund_limit=10_000)
    page = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}/refunds")).content.decode()
    assert "by you at most A$100.00 at once" in page.replace("$100", "A$100").replace("AA$", "A$")
    answer = order(tenant.admin, tenant, checkout, "100.01")
    assert (answer.status_code, "at most" in answer.content.decode()) == (422, True)
    for by, amount in ((tenant.user, 10_001), (join(tenant, "reader").user, 1)):
        with pytest.raises(RefundNotAllowed):
            start_refund(checkout.payment, amount=amount, reason="", by=by, now=clock.now())
    assert checkout.payment.refunded_amount == 0
    assert order(tenant.admin, tenant, checkout, "100.00").status_code == 302
    assert checkout.payment.refunded_amount == 10_000
    assert AuditEntry.objects.filter(action="payment.refunded").count() == 1


def tell(tenant: Tenant, event: str, name: str) -> set[str]:
    """Who hears of an event, by their roles."""
    where = reverse(name, args=[tenant.merchant.reference])
    with transaction.atomic():
        notify_merchant(tenant.merchant, event=event, key=event, title="x", body="x", path=where, now=clock.now())
    found = Notification.objects.filter(key=event)
    return {one.user.memberships.get().role.name for one in found}


@pytest.mark.parametrize(
    ("event", "name", "roles"),
    [
        ("books_task", "accounting:postings", {"Administrator", "Bookkeeper", "books"}),
        ("books_task", "accounting:accounts", {"Administrator"}),
        ("connection_broken", "connections:list", {"Administrator", "settings"}),
        ("autopay_failed", "autopay:list", {"Administrator", "Bookkeeper"}),
        ("payer_registered", "payer_admin:list", {"Administrator", "Bookkeeper"}),
    ],
)
def test_who_has_the_right_hears_of_what_it_is_about(tenant: Tenant, event: str, name: str, roles: set[str]) -> None:
    for number, role in enumerate(("bookkeeper", "reader", "user", "books", "settings")):
        join(tenant, role, f"{number}@northwind-it.example")
    assert tell(tenant, event, name) == roles
