"""`manage.py seed_psa`: connects the demo merchant with the practice PSA; only where WISEPAY_DEMO is set."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from merchants.models import Merchant
from psa.connectwise.client import Credentials
from psa.connectwise.sites import parse_added_sites
from psa.models import DebitTiming, PsaConnection, Writer
from psa.services import connect_psa, get_psa_connection, update_psa_settings
from wisepay import clock

NAME, COMPANY = "Northwind IT", "northwind"
PUBLIC_KEY, PRIVATE_KEY = "practicePublicKey", "practicePrivateKey"


class Command(BaseCommand):
    """Connect the demo merchant, and have its payments written without a person's first click."""

    help = "Connect the demo merchant with the practice ConnectWise PSA."

    def handle(self, *_: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This is only for the demo: WISEPAY_DEMO is not set.")
        merchant = Merchant.objects.get(name=NAME)
        connection = get_psa_connection(merchant)
        if connection.state == "connected":
            return
        site = next(iter(parse_added_sites(settings.PSA_SITE_URLS)))
        keys = Credentials(COMPANY, PUBLIC_KEY, PRIVATE_KEY)
        now = clock.now()
        connection = connect_psa(merchant, site=site, credentials=keys, by="demo", now=now)
        update_psa_settings(connection, written_by=Writer.US, writes_debits=DebitTiming.SETTLED, now=now)
        PsaConnection.objects.filter(pk=connection.pk, confirmed_at=None).update(confirmed_at=now)
