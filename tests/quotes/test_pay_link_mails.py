"""The pay link of a quote that a poll found is mailed once, to its contact, and never for what was accepted before.

ConnectWise's CPQ REST document: conditions compare days only, and a time of acceptance names no zone; so a first poll
lists what is days old. RFC 5321, 4.2.1: a mail server that says 5xx never takes the mail.
"""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from quotes.cpq_connections import get_cpq_connection, save_cpq_settings
from quotes.models import CpqConnection, PayLinkMail, Quote
from quotes.pay_link_mails import mail_pay_link
from quotes.polls import poll_connections
from quotes.timeline import get_timeline
from tests.quotes.link_helpers import LinkedQuote, connect_cpq
from tests.tenants import Tenant, deliver_outbox
from wisepay.models import OutboxMessage

pytestmark = pytest.mark.django_db
CONTACT = "accounts@harbourdental.example"


def save_settings(tenant: Tenant, *, mails_links: bool, is_polled: bool = True, is_enabled: bool = True) -> None:
    """Save the switches as the page does."""
    save_cpq_settings(
        get_cpq_connection(tenant.merchant),
        is_enabled=is_enabled,
        is_polled=is_polled,
        mails_links=mails_links,
        link_form="passcode",
        order_porter_url="",
        now=timezone.now(),
    )


@pytest.fixture
def mailed(shop: Tenant) -> Tenant:
    """A merchant whose customers are mailed pay links, after the first poll."""
    connect_cpq(shop)
    save_settings(shop, mails_links=True)
    poll(0)
    return shop


def poll(minutes: int) -> None:
    """Poll as of some minutes later."""
    poll_connections(now=later(minutes))


def later(minutes: int) -> datetime:
    """Some minutes from now."""
    return timezone.now() + timedelta(minutes=minutes)


def accept(tenant: Tenant, **quote: Any) -> LinkedQuote:
    """A quote that its customer accepts now."""
    return LinkedQuote.create(tenant, **{"customer": {"account_name": "Harbour Dental", "email": CONTACT}} | quote)


def count_mails(tenant: Tenant) -> int:
    """How many mails with a pay link the contact has, after the worker did what is due."""
    deliver_outbox()
    return len([mail for mail in tenant.mails(CONTACT) if "can be paid" in str(mail["subject"])])


def list_states() -> list[str]:
    """What became of the mails of quotes."""
    return list(PayLinkMail.objects.exclude(state="earlier").order_by("pk").values_list("state", flat=True))


def test_what_is_accepted_from_now_on_is_mailed_once(mailed: Tenant) -> None:
    made, before = accept(mailed), count_mails(mailed)
    for minutes in (6, 12, 18):
        poll(minutes)
    assert (count_mails(mailed) - before, list_states()) == (1, ["sent"])
    mail = [one for one in mailed.mails(CONTACT) if "can be paid" in str(one["subject"])][-1]
    quote = Quote.objects.get(number=made.number)
    [path] = set(re.findall(r"/i/[^\s\"<]+", str(mail["text"])))
    assert (Client().get(path)["Location"], made.passcode in str(mail)) == (f"/pay/{quote.payment.reference}", False)
    assert f"The pay link was mailed to {CONTACT}." in get_timeline(quote, now=timezone.now())[0].words
    assert Client().get(f"/pay/{quote.payment.reference}").status_code == 200


def test_what_was_accepted_before_is_never_mailed(shop: Tenant) -> None:
    connect_cpq(shop)
    made = accept(shop)
    save_settings(shop, mails_links=True)
    for minutes in (0, 6):
        poll(minutes)
    made.order("edit", fields={"name": "Edited since"})
    poll(12)
    assert (list_states(), PayLinkMail.objects.get().state) == ([], "earlier")
    assert Quote.objects.get().name == "Edited since"


def test_an_old_quote_that_somebody_edits_is_not_mailed(mailed: Tenant) -> None:
    made = accept(mailed)
    made.order("edit", fields={"orderPorterSignedDate": "2026-01-05T10:00:00"})
    poll(6)
    assert (list_states(), Quote.objects.count()) == ([], 1)


def test_without_a_time_of_acceptance_nothing_is_mailed_and_the_merchant_reads_why(mailed: Tenant) -> None:
    accept(mailed).order("edit", fields={"orderPorterSignedDate": "yesterday"})
    poll(6)
    assert list_states() == ["left_out"]
    assert "does not say when" in get_timeline(Quote.objects.get(), now=timezone.now())[0].words


def test_a_newer_version_that_is_accepted_has_a_mail_of_its_own(mailed: Tenant) -> None:
    made, before = accept(mailed), count_mails(mailed)
    poll(6)
    made.order("publish", is_approved=True)
    poll(12)
    assert (count_mails(mailed) - before, list_states()) == (1, ["left_out", "sent"])


@pytest.mark.parametrize("way", ["link", "paid"])
def test_who_came_by_the_link_is_not_mailed(mailed: Tenant, way: str) -> None:
    checkout, before = accept(mailed).open(), count_mails(mailed)
    if way == "paid":
        checkout.pay()
    poll(6)
    assert (count_mails(mailed) - before, list_states()) == (0, [])


def test_what_is_paid_or_held_before_the_mail_goes_out_is_not_mailed(mailed: Tenant) -> None:
    made, before = accept(mailed), count_mails(mailed)
    poll(6)
    made.open().pay()
    assert (count_mails(mailed) - before, list_states()) == (0, ["left_out"])
    other = accept(mailed)
    poll(12)
    Quote.objects.filter(number=other.number).update(hold="superseded")
    assert (count_mails(mailed) - before, list_states()) == (0, ["left_out", "left_out"])


def test_switching_off_stops_mails_that_wait_and_on_again_counts_anew(mailed: Tenant) -> None:
    accept(mailed)
    before = count_mails(mailed)
    poll(6)
    save_settings(mailed, mails_links=False)
    assert (count_mails(mailed) - before, list_states()) == (0, ["left_out"])
    accept(mailed)
    save_settings(mailed, mails_links=True)
    connection = CpqConnection.objects.get()
    assert (connection.mails_after, connection.mails_since is not None) == (None, True)
    for minutes in (12, 18):
        poll(minutes)
    assert (count_mails(mailed) - before, list_states()) == (0, ["left_out"])


def test_saving_other_settings_does_not_begin_anew(mailed: Tenant) -> None:
    since = CpqConnection.objects.get().mails_since
    save_settings(mailed, mails_links=True)
    assert CpqConnection.objects.get().mails_since == since
    save_settings(mailed, mails_links=True, is_polled=False)
    assert CpqConnection.objects.get().mails_since is None


def test_a_poll_that_reads_nothing_is_not_the_one_that_mails_count_from(shop: Tenant) -> None:
    connect_cpq(shop)
    save_settings(shop, mails_links=True)
    accept(shop)
    with shop.world.inject_fault("cpq", "status", path="/api/quotes", status=503):
        poll(0)
    poll(6)
    assert (CpqConnection.objects.get().mails_after is not None, list_states()) == (True, [])


def test_a_refused_mail_is_kept_with_the_servers_words(mailed: Tenant) -> None:
    made = accept(mailed)
    mailed.world.config(smtp_refusals={CONTACT: "550 5.1.1 No such user"})
    poll(6)
    assert (count_mails(mailed), list_states()) == (0, ["refused"])
    words = get_timeline(Quote.objects.get(number=made.number), now=timezone.now())[0].words
    assert "did not reach the customer" in words
    assert "No such user" in words
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_a_mail_server_that_rests_gets_the_mail_later(mailed: Tenant) -> None:
    accept(mailed)
    mailed.world.config(smtp_refusals={CONTACT: "451 4.7.1 Greylisted"})
    poll(6)
    assert (count_mails(mailed), list_states()) == (0, ["waiting"])
    mailed.world.config(smtp_refusals={})
    deliver_outbox(at=later(60))
    assert (count_mails(mailed), list_states()) == (1, ["sent"])
    row = PayLinkMail.objects.get(state="sent")
    mail_pay_link(mail_id=row.pk, now=later(61))
    assert count_mails(mailed) == 1


def test_the_page_says_that_links_are_mailed_only_for_quotes_that_are_looked_for(mailed: Tenant) -> None:
    mailed.admin.force_login(mailed.user)
    path = mailed.url("configure/merchants/integrations/cpq/settings")
    form = {"is_enabled": "on", "mails_links": "on", "link_form": "passcode", "order_porter_url": ""}
    answer = mailed.admin.post(path, form)
    assert (answer.status_code, "switch that on, too" in answer.content.decode()) == (422, True)
    assert mailed.admin.post(path, form | {"is_polled": "on"}).status_code == 302
