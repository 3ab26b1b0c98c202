"""Orders about connections: start, finish, test, disconnect."""

import base64
import hashlib
import json
import secrets
from dataclasses import asdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from connections.models import Authorisation, Connection, LinkedOrganisation, Tier
from connections.providers import LABELS, PROVIDERS, Organisation, RefusedGrant, Tokens, open_provider
from connections.tokens import break_connection, doubt_token, fresh_access_token
from merchants.models import Merchant
from wisepay import outbox
from wisepay.errors import Disconnected, Unavailable
from wisepay.models import User

LIFE = timedelta(minutes=10)
KEEP = timedelta(days=30)  # a walk stays so long, for the record


class AuthorisationRefused(Exception):
    """The walk to the provider ended without a connection; the message says what to do."""


def connection_for(merchant: Merchant, *, tier: str) -> Connection:
    """The connection that carries `tier`'s work: while tiers are not split, the Wise-Pay one."""
    found = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if found is None:
        raise Disconnected("No accounting package is connected.")
    return found


def start_authorisation(merchant: Merchant, *, user: User, tier: str, provider: str, now: datetime) -> str:
    """Remember the walk and answer the consent page's URL. Raises AuthorisationRefused."""
    if provider not in PROVIDERS:
        raise AuthorisationRefused("We do not know this accounting package.")
    door = open_provider(provider)
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
        code_verifier=verifier,
        expires_at=now + LIFE,
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return door.authorize_url(state=state, challenge=challenge, redirect_uri=redirect_uri(provider))


def finish_authorisation(*, user: User, provider: str, state: str, code: str, now: datetime) -> Authorisation:
    """Use up the state, exchange the code, learn the organisations. Raises AuthorisationRefused, Unavailable.

    With one organisation the connection stands afterwards; with more the person chooses.
    """
    walk = claim_authorisation(user=user, provider=provider, state=state, now=now)
    door = open_provider(provider)
    try:
        tokens = door.exchange(code, verifier=walk.code_verifier.reveal(), redirect_uri=redirect_uri(provider), now=now)
        found = door.organisations(tokens)
    except RefusedGrant:
        raise AuthorisationRefused("The accounting package refused the code. Please connect again.") from None
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
    return mine.select_related("merchant").get()


def choose_organisation(walk: Authorisation, *, organisation_id: str, now: datetime) -> Connection:
    """Connect the walk's tier to one of its organisations. Raises AuthorisationRefused."""
    chosen = next((o for o in walk.organisations if o["id"] == organisation_id), None)
    if chosen is None or not walk.tokens or now > walk.expires_at:
        raise AuthorisationRefused("Choose one of the organisations, or start again.")
    raw = json.loads(walk.tokens.reveal())
    tokens = Tokens(**{**raw, "expires_at": datetime.fromisoformat(raw["expires_at"])})
    with transaction.atomic(durable=True):
        connection = _store(walk, Organisation(**chosen), tokens, now=now)
        Authorisation.objects.filter(pk=walk.pk).update(tokens="")
        outbox.arm(f"drain:{walk.merchant_id}", "accounting.drain_postings", now=now, merchant_id=walk.merchant_id)
        outbox.arm(f"lists:{walk.merchant_id}", "accounting.import_lists", now=now, merchant_id=walk.merchant_id)
    return connection


def link_organisation(walk: Authorisation, chosen: Organisation) -> None:
    """Claim the organisation for the walk's merchant. Raises AuthorisationRefused while another one uses it."""
    links = LinkedOrganisation.objects.select_for_update(of=("self",))
    link, _ = links.get_or_create(
        provider=walk.provider, organisation_id=chosen.id, defaults={"merchant": walk.merchant}
    )
    if link.merchant_id == walk.merchant_id:
        return
    theirs = Connection.objects.filter(merchant=link.merchant_id, organisation_id=chosen.id)
    if theirs.filter(state__in=["connected", "broken"]).exists():
        raise AuthorisationRefused(f"{chosen.name} is already linked to another merchant here.")
    LinkedOrganisation.objects.filter(pk=link.pk).update(merchant=walk.merchant)


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
        "client_id": open_provider(walk.provider).client_id,
        "organisation_id": chosen.id,
        "organisation_name": chosen.name[:160],
        "remote_id": chosen.remote_id,
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "access_expires_at": tokens.expires_at,
        "connected_at": now,
        "blocked_until": None,
        "last_error": "",
        "failures": 0,
        "tested_at": now,
        "test_passed": True,
    }
    if not connection.move_to("connected", now=now, by=walk.user.email, reason=chosen.name, **held):
        Connection.objects.filter(pk=connection.pk).update(**held)
    return connection


def disconnect(connection: Connection, *, user: User, now: datetime) -> None:
    """Give the access back to the provider, as far as it answers, and forget the tokens."""
    try:
        token = fresh_access_token(connection, now=now)
        open_provider(connection.provider).disconnect(token, remote_id=connection.remote_id)
    except (Unavailable, Disconnected):
        pass  # ours is forgotten all the same; an unused token dies by itself
    with transaction.atomic(durable=True):
        connection.move_to(
            "disconnected", now=now, by=user.email, access_token="", refresh_token="", access_expires_at=None
        )


def verify_connection(connection: Connection, *, now: datetime) -> bool:
    """Ask the provider whether the token is still good, and write down the answer and the time.

    Raises Unavailable when the provider cannot say.
    """
    try:
        token = fresh_access_token(connection, now=now)
        tokens = Tokens(access=token, refresh="", expires_at=now)
        found = open_provider(connection.provider).organisations(tokens)
        is_good = any(o.id == connection.organisation_id for o in found)
        reason = "" if is_good else "The organisation was disconnected in the accounting package."
    except (Disconnected, RefusedGrant) as error:
        if doubt_token(connection):
            return verify_connection(connection, now=now)
        is_good, reason = False, str(error)
    with transaction.atomic(durable=True):
        if not is_good and connection.lock().state == "connected":
            break_connection(connection, reason=reason, now=now)
        Connection.objects.filter(pk=connection.pk).update(tested_at=now, test_passed=is_good, is_doubted=False)
    return is_good


def redirect_uri(provider: str) -> str:
    """The address that the provider sends people back to; it has to be registered there."""
    return f"{settings.PUBLIC_URL}{reverse('connections:callback', args=[provider])}"


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
