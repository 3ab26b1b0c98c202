"""What the payers' tests share: registering, reading the mail, walking through the welcome pages."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.test import Client
from django.utils import timezone

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from payers.company_access import create_invited_access, open_registration
from payers.models import PayerAccess, PayerCompany
from payers.registrations import start_registration
from payers.terms import RequestSource
from tests.tenants import Tenant, deliver_outbox

EMAIL = "ada@harbourdental.example"
NEW_PASSWORD = "violet-harbour-staple-9"
SOURCE = RequestSource(ip="198.51.100.7", user_agent="Tests")
DETAILS = {
    "name": "Ada Lind",
    "phone": "+61 2 5550 9876",
    "job_title": "Accounts",
    "line1": "1 Quay Street",
    "city": "Sydney",
    "state": "NSW",
    "postal_code": "2000",
    "country": "AU",
    "agree": "on",
}


def register(tenant: Tenant, email: str = EMAIL, *, company: PayerCompany | None = None, **more: Any) -> PayerAccess:
    """Somebody asks for an account while they pay, and a worker looks whose address it is."""
    terms = get_current_terms(tenant.merchant, Terms.Kind.USER_ACCOUNT)
    words: dict[str, Any] = {"name": "Ada Lind", "phone": "", "next_path": "", "now": timezone.now()} | more
    company = company or tenant.company()
    registration = start_registration(company, email=email, terms=terms, source=SOURCE, **words)
    open_registration(registration, now=words["now"])
    return PayerAccess.objects.get(user__email=email.strip().lower(), company=company)


def invite(tenant: Tenant, email: str = EMAIL, *, company: PayerCompany | None = None) -> PayerAccess:
    """The merchant invites somebody."""
    return create_invited_access(
        tenant.merchant,
        company=company or tenant.company(),
        email=email,
        name="Ada Lind",
        by=tenant.user,
        now=timezone.now(),
    )


def list_mails(tenant: Tenant, email: str = EMAIL) -> list[dict[str, Any]]:
    """Mails to an address, oldest first, once all that is due went out."""
    deliver_outbox()
    found: list[dict[str, Any]] = tenant.world.get("/mailbox/messages.json").json()["messages"]
    return [mail for mail in reversed(found) if mail["to"] == [email]]


def get_welcome_link(tenant: Tenant, email: str = EMAIL) -> str:
    """The path of the link in the newest Welcome mail."""
    texts = [str(mail) for mail in list_mails(tenant, email)]
    found = [hit for text in texts for hit in re.findall(r"https?://[^\s\"'\\<>]+/welcome/[^\s\"'\\<>]+", text)]
    assert found, texts
    return str(urlsplit(found[-1]).path)


def get_hidden_fields(page: Any) -> dict[str, str]:
    """The hidden fields of a page's form."""
    html = page.content.decode()
    found = re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', html)
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def post_form(client: Client, path: str, **fields: str) -> Any:
    """Open a page and send its form back with these fields."""
    return client.post(path, get_hidden_fields(client.get(path)) | fields)


def complete_welcome(client: Client, path: str) -> Any:
    """Follow a link to the end: password, details, Register. Answers the last answer."""
    assert client.get(path)["Location"] == "/welcome/"
    assert client.get("/welcome/")["Location"] == "/welcome/password"
    answer = post_form(client, "/welcome/password", password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    assert answer["Location"] == "/welcome/details"
    return post_form(client, "/welcome/details", **DETAILS)
