"""`manage.py seed_demo`: a demo merchant that is connected to the practice world; only where WISEPAY_DEMO is set."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounting.configuration.services import save_accounting_settings
from connections.models import Connection
from connections.oauth_flow import receive_authorisation, start_authorisation
from connections.providers import PROVIDERS
from connections.services import disconnect_all
from connections.verification import verify_connection
from merchants.models import EventNotification, Merchant, PayNowLink
from merchants.paynow_links import create_paynow_link
from merchants.services import create_merchant, update_event_notifications
from payments.gateway_accounts import connect_gateway_account, set_bank_debits
from quotes.cpq_connections import build_snippet, get_cpq_connection, save_cpq_keys
from quotes.models import CpqConnection, CpqIntegration
from quotes.providers.cpq import CpqKeys
from quotes.services import get_integration, save_integration
from wisepay import clock
from wisepay.errors import Unavailable
from wisepay.models import User

EMAIL, PASSWORD = "admin@northwind-it.example", "practice-makes-perfect"
NAME, ORGANISATION = "Northwind IT", "au"
ADDRESS, TAX_NUMBER = "12 Practice Street\nSydney NSW 2000", "ABN 51 824 753 556"
STRIPE_SECRET, STRIPE_PUBLISHABLE = "sk_test_northwind0demo", "pk_test_northwind0demo"
LIVE_SECRET, LIVE_PUBLISHABLE = "sk_live_northwind0demo", "pk_live_northwind0demo"
CPQ_KEYS = CpqKeys("practice", "public0key", "private0key")
ACCOUNTS = {
    "xero": {"clearing_account": "615", "prepayments_account": "815", "tax_code": "BASEXCLUDED"},
    "quickbooks": {"clearing_account": "10", "prepayments_account": "13", "tax_code": "3", "item": "3"},
}


class Command(BaseCommand):
    """Create or repair the demo merchant."""

    help = "Create or reuse the demo merchant, connected to the sandbox, and write its credentials to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", type=Path, help="write the API key and the sign-in there")
        help_text = "the accounting package; without it the one of an earlier start, else Xero"
        parser.add_argument("--accounting", choices=sorted(PROVIDERS), help=help_text)

    def handle(self, *_: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This is only for the demo: WISEPAY_DEMO is not set.")
        merchant = Merchant.objects.filter(name=NAME).first() or create_merchant(
            name=NAME, admin_email=EMAIL, admin_name="", password=PASSWORD, time_zone="Australia/Sydney"
        )
        Merchant.objects.filter(pk=merchant.pk, postal_address="").update(postal_address=ADDRESS, tax_number=TAX_NUMBER)
        admin = User.objects.get(email=EMAIL)
        enable_prerequisites(merchant, admin)
        connect_stripe(merchant)
        accounting = connect_accounting(merchant, admin, requested_provider=options["accounting"])
        integration = enable_cpq(merchant)
        connection = connect_cpq(merchant, admin)
        if options["json"]:
            credentials = {
                "cpq_api_key": integration.api_key.decrypt(),
                "merchant": {"email": EMAIL, "password": PASSWORD, "reference": merchant.reference},
                "accounting": accounting,
                "cpq_template": build_snippet(connection),
            }
            options["json"].write_text(json.dumps(credentials))
        self.stdout.write(f"{merchant.name} is ready")


def enable_prerequisites(merchant: Merchant, admin: User) -> None:
    """Set up the three prerequisites of quote payments."""
    update_event_notifications(merchant, events=set(EventNotification.Event.values))
    for kind in PayNowLink.Kind.values:
        if not merchant.paynow_links.filter(kind=kind, is_active=True).exists():
            create_paynow_link(merchant, kind=kind, acts_as=admin)


def connect_stripe(merchant: Merchant) -> None:
    """Save practice keys; live ones of the same account are saved beside them, to try the change with."""
    for publishable, secret in ((STRIPE_PUBLISHABLE, STRIPE_SECRET), (LIVE_PUBLISHABLE, LIVE_SECRET)):
        connect_gateway_account(merchant, publishable_key=publishable, secret_key=secret, now=clock.now())
    set_bank_debits(merchant, is_on=True)


def connect_accounting(merchant: Merchant, admin: User, *, requested_provider: str | None) -> str:
    """Connect through the practice consent page, and choose the accounts that postings use; answers the provider."""
    known = Connection.objects.filter(merchant=merchant, tier="wise_pay").first()
    provider = requested_provider or (known.provider if known else "xero")
    if known is not None and known.provider == provider and is_working(known):
        return provider
    disconnect_all(merchant, by="demo", now=clock.now())
    url = start_authorisation(merchant, user=admin, tier="wise_pay", provider=provider, now=clock.now())
    answer = requests.get(f"{url}&auto={ORGANISATION}", timeout=settings.HTTP_TIMEOUT, allow_redirects=False)
    back = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    grant = {"state": back["state"], "code": back["code"], "company": back.get("realmId", "")}
    receive_authorisation(user=admin, provider=provider, **grant, now=clock.now())
    save_accounting_settings(merchant, **ACCOUNTS[provider], now=clock.now())
    return provider


def is_working(connection: Connection) -> bool:
    """Whether the connection of an earlier start still works."""
    try:
        return connection.state == "connected" and verify_connection(connection, now=clock.now())
    except Unavailable:
        return False


def enable_cpq(merchant: Merchant) -> CpqIntegration:
    """Enable the CPQ integration with an API key."""
    integration = get_integration(merchant)
    if integration.is_enabled and integration.api_key:
        return integration
    return save_integration(integration, is_enabled=True, hosts=integration.hosts, new_key=True, now=clock.now())


def connect_cpq(merchant: Merchant, admin: User) -> CpqConnection:
    """Save the practice CPQ's keys, and confirm the arithmetic of what is due, as a merchant does after one quote."""
    connection = get_cpq_connection(merchant)
    if not connection.private_key:
        save_cpq_keys(connection, keys=CPQ_KEYS, by=admin, now=clock.now())
        page = f"{settings.CPQ_API_URL.removesuffix('/cpq')}/orderporter/online.order"
        confirmed = {"confirmed_at": clock.now(), "confirmed_by": admin, "order_porter_url": page}
        CpqConnection.objects.filter(merchant=merchant).update(**confirmed)
    return get_cpq_connection(merchant)
