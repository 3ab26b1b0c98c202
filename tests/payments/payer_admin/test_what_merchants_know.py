"""Until a person agreed, a merchant knows the address and what it typed itself: nothing of an account elsewhere.

That a service tells who has an account, and what is in it, to whoever types an address is OWASP's WSTG-IDNT-04 and
ASVS 5.0, 6.3.8.
"""

import re
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import reverse

from payers.models import Payer, PayerAccess
from tests.merchants.page_cases import CASES
from tests.merchants.test_access import GATED, Page
from tests.tenants import Tenant
from wisepay.models import User

KNOWN, UNKNOWN = "zelda.quartz@elsewhere.example", "nobody.knows@elsewhere.example"
REAL = ("Zelda", "Quartz Real", "+61 2 9999 1234", "Treasurer of secrets", "Secret Street")


@pytest.fixture
def account(stranger: Tenant) -> User:
    """Somebody who pays another merchant, and told it all about themselves."""
    user = stranger.access(KNOWN, company="Their Company").user
    User.objects.filter(pk=user.pk).update(name="Zelda Quartz Real")
    Payer.objects.filter(user=user).update(phone=REAL[2], job_title=REAL[3], address={"line1": REAL[4]})
    return user


@dataclass(frozen=True)
class Invited:
    """Somebody whom the merchant added."""

    access: PayerAccess

    @classmethod
    def add(cls, tenant: Tenant, email: str) -> "Invited":
        """Through the page."""
        form = {"q": "Harbour Dental Pty Ltd", "email": email, "name": "Typed Name", "contact_id": ""}
        assert tenant.admin.post(tenant.url("payers/add"), form).status_code == 302
        return cls(
            PayerAccess.objects.select_related("user", "company").get(user__email__iexact=email, state="pending")
        )

    def list_paths(self, tenant: Tenant) -> list[tuple[str, str]]:
        """Every page of the console that this person could stand on, with its method."""
        values = {
            "merchant_ref": tenant.merchant.reference,
            "user_ref": self.access.user.reference,
            "access_ref": self.access.reference,
            "company_ref": self.access.company.reference,
            "kind": "payment",
            "tier": "wise_pay",
            "day": "2026-11-01",
        }
        pages: list[Page] = [
            page for page in GATED if page.route.startswith("m/") and set(page.arguments) <= set(values)
        ]
        return [
            (CASES[page.name][0], reverse(page.name, kwargs={name: values[name] for name in page.arguments}))
            for page in pages
        ]

    def hide(self, text: str) -> str:
        """The text without what is the person's own in it: references, tokens, the address."""
        own = (self.access.user.reference, self.access.reference, self.access.user.email)
        for word in own:
            text = text.replace(word, "…")
        text = re.sub(r'(csrfmiddlewaretoken" value=|X-CSRFToken": |nonce=)"[^"]+"', r"\1", text)
        return re.sub(r"<time.*?</time>", "", text)


def read_pages(tenant: Tenant, invited: Invited) -> dict[str, str]:
    """What every page shows, by its path without references."""
    shown = {}
    for method, path in invited.list_paths(tenant):
        answer = tenant.admin.get(path) if method == "get" else None
        if answer is not None and answer.status_code == 200:
            shown[invited.hide(path)] = invited.hide(answer.getvalue().decode(errors="replace"))
    for query in ("zelda", "quartz", "typed", invited.access.user.email[:8]):
        page = tenant.admin.get(tenant.url("payers/"), {"q": query}).content.decode()
        shown[f"search {query}"] = invited.hide(page).replace(query, "…")
    return shown


def test_no_page_of_the_console_shows_what_the_person_told_another_merchant(tenant: Tenant, account: User) -> None:
    invited = Invited.add(tenant, KNOWN)
    pages = read_pages(tenant, invited)
    assert len(pages) > 30
    assert any("Typed Name" in text for text in pages.values())
    for path, text in pages.items():
        assert [word for word in REAL if word in text] == [], path


def test_a_person_with_an_account_looks_like_one_without(tenant: Tenant, account: User) -> None:
    looks = []
    for email in (KNOWN, UNKNOWN):
        invited = Invited.add(tenant, email)
        payer_page = tenant.url(f"payers/p/{invited.access.user.reference}")
        looks.append(invited.hide(tenant.admin.get(payer_page).content.decode()))
        PayerAccess.objects.filter(pk=invited.access.pk).update(state="removed")
        looks.append(invited.hide(tenant.admin.get(payer_page).content.decode()))
    assert looks[:2] == looks[2:]


def test_nobody_signs_out_or_counts_the_sessions_of_who_has_not_agreed(tenant: Tenant, account: User) -> None:
    browser = Client()
    browser.force_login(account)
    browser.get("/my/")
    invited = Invited.add(tenant, KNOWN)
    end = tenant.url(f"payers/p/{account.reference}/sessions/end")
    assert "Sign out everywhere" not in tenant.admin.get(end.removesuffix("/sessions/end")).content.decode()
    assert tenant.admin.post(end).status_code == 404
    assert browser.get("/my/").status_code == 200
    PayerAccess.objects.filter(pk=invited.access.pk).update(state="active")
    assert tenant.admin.post(end).status_code == 302
    assert browser.get("/my/").status_code == 302


def test_who_agreed_is_shown_as_they_are(tenant: Tenant, account: User) -> None:
    invited = Invited.add(tenant, KNOWN)
    PayerAccess.objects.filter(pk=invited.access.pk).update(state="active")
    page = tenant.admin.get(tenant.url(f"payers/p/{account.reference}")).content.decode()
    assert all(word in page for word in ("Zelda Quartz Real", REAL[2], REAL[3]))


def test_marks_are_explained_without_a_pointer(tenant: Tenant) -> None:
    """www.w3.org/TR/WCAG22 (1.4.13, 1.3.3): a phone shows no tooltip."""
    tenant.access("ada@harbourdental.example")
    page = tenant.admin.get(tenant.url("payers/")).content.decode()
    _, _, legend = page.partition("What the marks mean")
    marks = set(re.findall(r'<span class="mark mark-[^>]*title="[^:"]*: ([^"]*)"', page))
    assert marks
    assert [text for text in marks if f"</span>{text}</li>" not in legend] == []
