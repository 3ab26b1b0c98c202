"""Orders about connections: start, finish, test, disconnect."""

import base64
import hashlib
import json
import secrets
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse

from connections.models import Authorisation, Connection, LinkedOrganisation, Tier
from connections.providers import (
    LABELS,
    PROVIDERS,
    AppGone,
    MissingScopes,
    Organisation,
    RefusedGrant,
    Tokens,
    open_provider,
    reopen_provider,
)
from connections.tokens import fresh_access_token
from merchants.models import Merchant
from wisepay import outbox
from wisepay.errors import Disconnected, Unavailable
from wisepay.models import User

LIFE = timedelta(minutes=10)
KEEP = timedelta(days=30)  # a walk stays so long, for the record
# What may wait for a connection: the key of its standing message and its handler, which the floors above registered.
RESUMED = {
    "drain": "accounting.drain_postings",
    "lists": "accounting.import_lists",
    "contacts": "accounting.recall_contacts",
    "look": "accounting.look_at_tasks",
}


class AuthorisationRefused(Exception):
    """The walk to the provider ended without a connection; the message says what to do."""


def connection_for(merchant: Merchant, *, tier: str) -> Connection:
    """The connection that carries `tier`'s work: while tiers are not split, the Wise-Pay one. Raises Disconnected."""
    used = Tier(tier) if merchant.has_multi_connection else Tier.WISE_PAY
    found = Connection.objects.select_related("merchant").filter(merchant=merchant, tier=used).first()
    if found is None and merchant.has_multi_connection:
        raise Disconnected(f"The {used.label} connection is not connected.")
    if found is None:
        raise Disconnected("No accounting package is connected.")
    return found


def tiers_of(merchant: Merchant) -> list[Tier]:
    """The tiers that the merchant sees and connects."""
    return list(Tier) if merchant.has_multi_connection else [Tier.WISE_PAY]


def live_connections(merchant: Merchant) -> QuerySet[Connection]:
    """What somebody connected and nobody disconnected."""
    return Connection.objects.filter(merchant=merchant, state__in=["connected", "broken"]).order_by("pk")


def start_authorisation(merchant: Merchant, *, user: User, tier: str, provider: str, now: datetime) -> str:
    """Remember the walk and answer the consent page's URL. Raises AuthorisationRefused."""
    if provider not in PROVIDERS:
        raise AuthorisationRefused("We do not know this accounting package.")
    refuse_second_package(merchant, provider)
    door = open_provider(provider, tier=tier)
    if not door.client_id:
        raise AuthorisationRefused(
            f"{LABELS[provider]} is not set up on this server: an operator has to set its client id and secret."
        )
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    Authorisation.objects.create(
        state_digest=_digest(state),
        merchant=merchant,
        user=user,
        tier=tier,
        provider=provider,
        client_id=door.client_id,
        code_verifier=verifier,
        expires_at=now + LIFE,
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return door.authorize_url(state=state, challenge=challenge, redirect_uri=redirect_uri(provider))


def refuse_second_package(merchant: Merchant, provider: str) -> None:
    """All connections of a merchant belong to one accounting package. Raises AuthorisationRefused."""
    if other := live_connections(merchant).exclude(provider=provider).first():
        raise AuthorisationRefused(
            f"You are connected to {LABELS[other.provider]} ({other.organisation_name}). All connections belong to one "
            f"company in one accounting package: press “Change company” first to use {LABELS[provider]}."
        )


def finish_authorisation(
    *, user: User, provider: str, state: str, code: str, now: datetime, company: str = ""
) -> Authorisation:
    """Use up the state, exchange the code, learn the organisations. Raises AuthorisationRefused, Unavailable.

    With one organisation the connection stands afterwards; with more the person chooses. `company` is the one that
    the browser brought along, for providers that tell it there.
    """
    walk = claim_authorisation(user=user, provider=provider, state=state, now=now)
    try:
        door = reopen_provider(provider, client_id=walk.client_id)
        verifier, back = walk.code_verifier.reveal(), redirect_uri(provider)
        tokens = door.exchange(code, verifier=verifier, redirect_uri=back, company=company, now=now)
        found = door.organisations(tokens)
    except RefusedGrant:
        raise AuthorisationRefused("The accounting package refused the code. Please connect again.") from None
    except AppGone as error:
        raise AuthorisationRefused(f"{error} Please connect again.") from None
    except MissingScopes:
        raise AuthorisationRefused(
            "Access was allowed to less than Wise-Pay needs. Please connect again and allow all that is asked."
        ) from None
    if not found:
        raise AuthorisationRefused("No organisation was chosen there. Please connect again and choose one.")
    walk.tokens = json.dumps(asdict(tokens), default=str)
    walk.organisations = [asdict(o) for o in found]
    walk.save(update_fields=["tokens", "organisations"])
    if len(found) == 1:
        choose_only_organisation(walk, now=now)
    return walk


def choose_only_organisation(walk: Authorisation, *, now: datetime) -> None:
    """Connect the one that there is. Raises AuthorisationRefused, and then forgets the tokens: nobody chooses again."""
    try:
        choose_organisation(walk, organisation_id=walk.organisations[0]["id"], now=now)
    except AuthorisationRefused:
        Authorisation.objects.filter(pk=walk.pk).update(tokens="")
        raise


def claim_authorisation(*, user: User, provider: str, state: str, now: datetime) -> Authorisation:
    """The walk that `state` belongs to, used up by this call. Raises AuthorisationRefused."""
    mine = Authorisation.objects.filter(state_digest=_digest(state), user=user, provider=provider)
    if not mine.filter(used_at=None, expires_at__gt=now).update(used_at=now):
        raise AuthorisationRefused(
            "This connection attempt was used already, is too old, or belongs to somebody else. "
            "Start again from Accounting Connections."
        )
    walk = mine.select_related("merchant", "user").get()
    if not user.memberships.filter(merchant=walk.merchant, role="admin").exists():
        raise AuthorisationRefused("Only merchant admins may connect. Ask an admin of yours to do it.")
    if Tier(walk.tier) not in tiers_of(walk.merchant):
        raise AuthorisationRefused("This connection type is switched off. Start again from Accounting Connections.")
    return walk


def close_authorisation(user: User, provider: str, *, state: str, now: datetime) -> None:
    """The provider refused: this walk is over, and nobody comes back to it."""
    walks = Authorisation.objects.filter(state_digest=_digest(state), user=user, provider=provider)
    walks.filter(used_at=None).update(used_at=now)


def choose_organisation(walk: Authorisation, *, organisation_id: str, now: datetime) -> Connection:
    """Connect the walk's tier to one of its organisations. Raises AuthorisationRefused."""
    chosen = next((o for o in walk.organisations if o["id"] == organisation_id), None)
    if chosen is None or not walk.tokens or now > walk.expires_at:
        raise AuthorisationRefused("Choose one of the organisations, or start again.")
    raw = json.loads(walk.tokens.reveal())
    tokens = Tokens(**{**raw, "expires_at": datetime.fromisoformat(raw["expires_at"])})
    try:
        with transaction.atomic(durable=True):
            connection = _store(walk, Organisation(**chosen), tokens, now=now)
            Authorisation.objects.filter(pk=walk.pk).update(tokens="")
            resume_work(walk.merchant, now=now)
    except IntegrityError:
        raise AuthorisationRefused("Somebody else connected at the same moment. Look, and start again.") from None
    return connection


def resume_work(merchant: Merchant, *, now: datetime) -> None:
    """Let everything go on that waits for a connection. A step of an open transaction."""
    for key, name in RESUMED.items():
        outbox.arm(f"{key}:{merchant.pk}", name, now=now, merchant_id=merchant.pk)


def link_organisation(walk: Authorisation, chosen: Organisation) -> None:
    """Claim the organisation for the walk's merchant. A step of an open transaction.

    Raises AuthorisationRefused while another merchant uses it, or this one uses another organisation.
    """
    others = live_connections(walk.merchant).exclude(provider=walk.provider, organisation_id=chosen.id)
    if other := others.first():
        raise AuthorisationRefused(
            f"{chosen.name} is another company than {other.organisation_name}, which you are connected to. "
            "All connections belong to one company: connect that one, or press “Change company” first."
        )
    LinkedOrganisation.objects.filter(merchant=walk.merchant).exclude(
        provider=walk.provider, organisation_id=chosen.id
    ).delete()
    links = LinkedOrganisation.objects.select_for_update(of=("self",))
    link = links.filter(provider=walk.provider, organisation_id=chosen.id).first()
    if link is not None and link.merchant_id != walk.merchant_id:
        if live_connections(link.merchant).filter(organisation_id=chosen.id).exists():
            raise AuthorisationRefused(
                f"{chosen.name} is already linked to another merchant here. Connect another company, or ask us."
            )
        link.delete()
        link = None
    if link is None:
        LinkedOrganisation.objects.create(provider=walk.provider, organisation_id=chosen.id, merchant=walk.merchant)


def forget_authorisations(*, now: datetime) -> int:
    """Delete walks that ended or were left long ago, and the tokens of a choice that was never made."""
    over = Authorisation.objects.filter(expires_at__lte=now)
    over.exclude(tokens="").update(tokens="")
    return over.filter(expires_at__lte=now - KEEP).delete()[0]


def _store(walk: Authorisation, chosen: Organisation, tokens: Tokens, *, now: datetime) -> Connection:
    """Write the connection row. A step of an open transaction."""
    link_organisation(walk, chosen)
    connection, _ = Connection.objects.get_or_create(
        merchant=walk.merchant, tier=walk.tier, defaults={"state": "never", "state_at": now}
    )
    held = {
        "provider": walk.provider,
        "client_id": walk.client_id,
        "organisation_id": chosen.id,
        "organisation_name": chosen.name[:160],
        "remote_id": chosen.remote_id,
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "access_expires_at": tokens.expires_at,
        "refreshed_at": now,
        "connected_at": now,
        "connected_by": walk.user.email,
        "succeeded_at": now,
        "is_doubted": False,
        "blocked_until": None,
        "unavailable_since": None,
        "last_error": "",
        "cause": "",
        "failures": 0,
        "tested_at": now,
        "test_passed": True,
    }
    if not connection.move_to("connected", now=now, by=walk.user.email, reason=chosen.name, **held):
        Connection.objects.filter(pk=connection.pk).update(**held)
    return connection


def disconnect(connection: Connection, *, by: str, now: datetime) -> None:
    """Give the access back to the provider, as far as it answers, and forget the tokens."""
    if connection.state in ("connected", "broken") and not shares_access(connection):
        try:
            token = fresh_access_token(connection, now=now)
            door = reopen_provider(connection.provider, client_id=connection.client_id)
            door.disconnect(token, remote_id=connection.remote_id)
        except (Unavailable, Disconnected, AppGone):
            pass  # ours is forgotten all the same; an unused token dies by itself
    ended: dict[str, Any] = {
        "access_token": "",
        "refresh_token": "",
        "access_expires_at": None,
        "last_error": "",
        "cause": "",
    }
    with transaction.atomic(durable=True):
        connection.move_to(
            "disconnected", now=now, by=by, **ended, unavailable_since=None, blocked_until=None, is_doubted=False
        )


def shares_access(connection: Connection) -> bool:
    """Whether another tier stands on the same access: a provider has one per app, person and organisation."""
    others = Connection.objects.filter(merchant=connection.merchant_id, state="connected").exclude(pk=connection.pk)
    same = {"provider": connection.provider, "client_id": connection.client_id, "remote_id": connection.remote_id}
    return bool(connection.remote_id) and others.filter(**same).exists()


def disconnect_all(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Give back everything, so that another company can be connected; answers how many."""
    held = list(live_connections(merchant).select_related("merchant"))
    for connection in held:
        disconnect(connection, by=by, now=now)
    return len(held)


def switch_multi_connection(merchant: Merchant, *, is_on: bool, now: datetime) -> bool:
    """Divide the work between three connections, or not; False if it was so. What is not needed is given back."""
    changed = Merchant.objects.filter(pk=merchant.pk, has_multi_connection=not is_on).update(has_multi_connection=is_on)
    merchant.has_multi_connection = is_on
    if not is_on:
        for connection in live_connections(merchant).exclude(tier=Tier.WISE_PAY).select_related("merchant"):
            disconnect(connection, by="operator", now=now)
    with transaction.atomic(durable=True):
        resume_work(merchant, now=now)
    return bool(changed)


def redirect_uri(provider: str) -> str:
    """The address that the provider sends people back to; it has to be registered there."""
    return f"{settings.PUBLIC_URL}{reverse('connections:callback', args=[provider])}"


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
