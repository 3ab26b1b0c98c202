"""`manage.py seed_psa`: the demo merchant of `seed_demo`, connected with the practice PSA too, by one process."""

from typing import Any

from django.conf import settings

from merchants.models import Merchant
from psa.connectwise.client import Credentials
from psa.connectwise.sites import parse_added_sites
from psa.models import DebitTiming, PsaConnection, Writer
from psa.services import connect_psa, get_psa_connection, update_psa_settings
from quotes.management.commands import seed_demo
from wisepay import clock

COMPANY = "northwind"
PUBLIC_KEY, PRIVATE_KEY = "practicePublicKey", "practicePrivateKey"


class Command(seed_demo.Command):
    """Create or repair the demo merchant, and have its payments written to PSA without a person's first click."""

    help = f"{seed_demo.Command.help} Connect it with the practice ConnectWise PSA."

    def handle(self, *_: Any, **options: Any) -> None:
        super().handle(**options)
        merchant = Merchant.objects.get(name=seed_demo.NAME)
        connection = get_psa_connection(merchant)
        if connection.state == "connected":
            return
        site = next(iter(parse_added_sites(settings.PSA_SITE_URLS)))
        keys = Credentials(COMPANY, PUBLIC_KEY, PRIVATE_KEY)
        now = clock.now()
        connection = connect_psa(merchant, site=site, credentials=keys, by="demo", now=now)
        update_psa_settings(connection, written_by=Writer.US, writes_debits=DebitTiming.SETTLED, now=now)
        PsaConnection.objects.filter(pk=connection.pk, confirmed_at=None).update(confirmed_at=now)
