"""The OAuth flow: start an authorisation, receive the provider's answer, connect the chosen organisation."""

import base64
import hashlib
import json
import secrets
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from connections.availability import list_live_connections, list_tiers
from connections.models import Authorisation, Connection, LinkedOrganisation, Tier
from connections.providers import (
    PROVIDER_LABELS,
    PROVIDERS,
    AppNotConfigured,
    InvalidGrant,
    MissingScopes,
    OAuthTokens,
    ProviderOrganisation,
    open_oauth_client,
    open_oauth_client_of_app,
)
from connections.services import announce_restored_connection
from merchants.models import Merchant
from merchants.rights import Right
from wisepay.addresses import build_public_url
from wisepay.models import User

AUTHORISATION_LIFETIME = timedelta(minutes=10)
AUTHORISATION_RETENTION = timedelta(days=30)


class AuthorisationRefused(Exception):
    """The authorisation ended without a connection; the message tells the person what to do."""


def start_authorisation(merchant: Merchant, *, user: User, tier: str, provider: str, now: datetime) -> str:
    """Create an authorisation and answer the consent page's URL. Raises AuthorisationRefused."""
    if provider not in PROVIDERS:
        raise AuthorisationRefused("We do not know this accounting package.")
    check_single_provider(merchant, provider)
    client = open_oauth_client(provider, tier=tier)
    if not client.client_id:
        raise AuthorisationRefused(
            f"{PROVIDER_LABELS[provider]} is not set up on this server: an operator has to set its client id and "
            f"secret."
        )
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    Authorisation.objects.create(
        state_digest=_digest(state),
        merchant=merchant,
        user=user,
        tier=tier,
        provider=provider,
        client_id=client.client_id,
        code_verifier=verifier,
        expires_at=now + AUTHORISATION_LIFETIME,
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return client.get_authorize_url(state=state, challenge=challenge, redirect_uri=get_redirect_uri(provider))


def check_single_provider(merchant: Merchant, provider: str) -> None:
    """Raise AuthorisationRefused if the merchant is connected to another accounting package."""
    if other := list_live_connections(merchant).exclude(provider=provider).first():
        raise AuthorisationRefused(
            f"You are connected to {PROVIDER_LABELS[other.provider]} ({other.organisation_name}). All connections "
            "belong to one company in one accounting package: press “Change company” first to use "
            f"{PROVIDER_LABELS[provider]}."
        )


def receive_authorisation(
    *, user: User, provider: str, state: str, code: str, now: datetime, company: str = ""
) -> Authorisation:
    """Use up the state, exchange the code, list the organisations. Raises AuthorisationRefused or Unavailable.

    A single organisation is connected; of several the person chooses one. `company` is the organisation in the
    callback's address, for providers that name it there.
    """
    authorisation = verify_authorisation(user=user, provider=provider, state=state, now=now)
    try:
        client = open_oauth_client_of_app(provider, client_id=authorisation.client_id)
        verifier, redirect_uri = authorisation.code_verifier.decrypt(), get_redirect_uri(provider)
        tokens = client.exchange_code(code, verifier=verifier, redirect_uri=redirect_uri, company=company, now=now)
        found = client.list_organisations(tokens)
    except InvalidGrant:
        raise AuthorisationRefused("The accounting package refused the code. Please connect again.") from None
    except AppNotConfigured as error:
        raise AuthorisationRefused(f"{error} Please connect again.") from None
    except MissingScopes:
        raise AuthorisationRefused(
            "Access was allowed to less than Wise-Pay needs. Please connect again and allow all that is asked."
        ) from None
    if not found:
        raise AuthorisationRefused("No organisation was chosen there. Please connect again and choose one.")
    authorisation.tokens = json.dumps(asdict(tokens), default=str)
    authorisation.organisations = [asdict(o) for o in found]
    authorisation.save(update_fields=["tokens", "organisations"])
    if len(found) == 1:
        connect_only_organisation(authorisation, now=now)
    return authorisation


def connect_only_organisation(authorisation: Authorisation, *, now: datetime) -> None:
    """Connect the only organisation. Raises AuthorisationRefused, and then deletes the tokens: there is no choice."""
    try:
        connect_organisation(authorisation, organisation_id=authorisation.organisations[0]["id"], now=now)
    except AuthorisationRefused:
        Authorisation.objects.filter(pk=authorisation.pk).update(tokens="")
        raise


def verify_authorisation(*, user: User, provider: str, state: str, now: datetime) -> Authorisation:
    """Get the authorisation that `state` belongs to, which can be used once. Raises AuthorisationRefused."""
    authorisations = Authorisation.objects.filter(state_digest=_digest(state), user=user, provider=provider)
    if not authorisations.filter(used_at=None, expires_at__gt=now).update(used_at=now):
        raise AuthorisationRefused(
            "This connection attempt was used already, is too old, or belongs to somebody else. "
            "Start again from Accounting Connections."
        )
    authorisation = authorisations.select_related("merchant", "user").get()
    member = user.memberships.filter(merchant=authorisation.merchant).select_related("role").first()
    if member is None or not member.may(Right.SETTINGS):
        raise AuthorisationRefused(
            "Only who has the right Settings may connect. Ask an administrator of yours to do it."
        )
    if Tier(authorisation.tier) not in list_tiers(authorisation.merchant):
        raise AuthorisationRefused("This connection type is switched off. Start again from Accounting Connections.")
    return authorisation


def cancel_authorisation(user: User, provider: str, *, state: str, now: datetime) -> None:
    """End an authorisation that the provider refused."""
    authorisations = Authorisation.objects.filter(state_digest=_digest(state), user=user, provider=provider)
    authorisations.filter(used_at=None).update(used_at=now)


def connect_organisation(authorisation: Authorisation, *, organisation_id: str, now: datetime) -> Connection:
    """Connect the authorisation's tier to one of its organisations. Raises AuthorisationRefused."""
    chosen = next((o for o in authorisation.organisations if o["id"] == organisation_id), None)
    if chosen is None or not authorisation.tokens or now > authorisation.expires_at:
        raise AuthorisationRefused("Choose one of the organisations, or start again.")
    raw = json.loads(authorisation.tokens.decrypt())
    tokens = OAuthTokens(**{**raw, "expires_at": datetime.fromisoformat(raw["expires_at"])})
    try:
        with transaction():
            connection = _save_connection(authorisation, ProviderOrganisation(**chosen), tokens, now=now)
            Authorisation.objects.filter(pk=authorisation.pk).update(tokens="")
            announce_restored_connection(authorisation.merchant, now=now)
    except IntegrityError:
        raise AuthorisationRefused("Somebody else connected at the same moment. Look, and start again.") from None
    return connection


@transaction_required
def link_organisation(authorisation: Authorisation, chosen: ProviderOrganisation) -> None:
    """Link the organisation to the authorisation's merchant.

    Raises AuthorisationRefused while another merchant uses it, or this one uses another organisation.
    """
    others = list_live_connections(authorisation.merchant).exclude(
        provider=authorisation.provider, organisation_id=chosen.id
    )
    if other := others.first():
        raise AuthorisationRefused(
            f"{chosen.name} is another company than {other.organisation_name}, which you are connected to. "
            "All connections belong to one company: connect that one, or press “Change company” first."
        )
    LinkedOrganisation.objects.filter(merchant=authorisation.merchant).exclude(
        provider=authorisation.provider, organisation_id=chosen.id
    ).delete()
    links = LinkedOrganisation.objects.select_for_update(of=("self",))
    link = links.filter(provider=authorisation.provider, organisation_id=chosen.id).first()
    if link is not None and link.merchant_id != authorisation.merchant_id:
        if list_live_connections(link.merchant).filter(organisation_id=chosen.id).exists():
            raise AuthorisationRefused(
                f"{chosen.name} is already linked to another merchant here. Connect another company, or ask us."
            )
        link.delete()
        link = None
    if link is None:
        LinkedOrganisation.objects.create(
            provider=authorisation.provider, organisation_id=chosen.id, merchant=authorisation.merchant
        )


def delete_old_authorisations(*, now: datetime) -> int:
    """Delete authorisations that ended long ago, and the tokens of expired ones; answer how many."""
    expired = Authorisation.objects.filter(expires_at__lte=now)
    expired.exclude(tokens="").update(tokens="")
    return expired.filter(expires_at__lte=now - AUTHORISATION_RETENTION).delete()[0]


@transaction_required
def _save_connection(
    authorisation: Authorisation, chosen: ProviderOrganisation, tokens: OAuthTokens, *, now: datetime
) -> Connection:
    """Write the connection's row, as connected."""
    link_organisation(authorisation, chosen)
    connection, _ = Connection.objects.get_or_create(
        merchant=authorisation.merchant, tier=authorisation.tier, defaults={"state": "never", "state_at": now}
    )
    columns = {
        "provider": authorisation.provider,
        "client_id": authorisation.client_id,
        "organisation_id": chosen.id,
        "organisation_name": chosen.name[:160],
        "remote_id": chosen.remote_id,
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "access_expires_at": tokens.expires_at,
        "refreshed_at": now,
        "connected_at": now,
        "connected_by": authorisation.user.email,
        "succeeded_at": now,
        "token_was_refused": False,
        "blocked_until": None,
        "unavailable_since": None,
        "last_error": "",
        "cause": "",
        "failures": 0,
        "tested_at": None,
        "test_passed": None,
    }
    if not connection.move_to("connected", now=now, by=authorisation.user.email, reason=chosen.name, **columns):
        for name, value in columns.items():
            setattr(connection, name, value)
        connection.save(update_fields=list(columns))
    return connection


def get_redirect_uri(provider: str) -> str:
    """The address that the provider redirects to; it has to be registered there."""
    return build_public_url(reverse("connections:callback", args=[provider]))


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
