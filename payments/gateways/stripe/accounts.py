"""The account at Stripe itself: whose keys, its webhook endpoints and events, its domains."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import stripe

from payments.gateways.protocol import RemoteAccount, RemoteEndpoint, RemoteEvent
from payments.gateways.stripe.client import get_client
from payments.gateways.stripe.errors import convert_error
from payments.gateways.stripe.fields import get_field, require_id, require_time, require_word, require_words
from wisepay.errors import NotThere, Rejected

PROOF = {"metadata": {"wisepay": "proof of keys"}, "allowed_payment_method_types": ["card"]}


class StripeAccountMixin:
    """The methods of the gateway that are about the account."""

    _v1: Any

    def get_account_id(self) -> str:
        return self.look_up_account().id

    def look_up_account(self) -> RemoteAccount:
        try:
            account = self._v1.accounts.retrieve_current()
        except stripe.StripeError as error:
            raise convert_error(error) from error
        wanted = get_field(get_field(account, "requirements"), "currently_due")
        return RemoteAccount(
            id=require_id(account),
            takes_charges=get_field(account, "charges_enabled") is not False,
            pays_out=get_field(account, "payouts_enabled") is not False,
            missing=tuple(str(name)[:255] for name in wanted) if isinstance(wanted, list) else (),
        )

    def accepts_publishable_key(self, publishable_key: str) -> bool:
        """Let the key look at a setup that nobody confirms, as Stripe.js does in a payer's browser."""
        try:
            proof = self._v1.setup_intents.create(PROOF)
            setup_id = require_id(proof)
            try:
                return sees_setup(publishable_key, setup_id, require_word(proof, "client_secret"))
            finally:
                self._v1.setup_intents.cancel(setup_id)
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def list_endpoints(self) -> list[RemoteEndpoint]:
        try:
            found = self._v1.webhook_endpoints.list({"limit": 100})
            return [parse_endpoint(one) for one in found.auto_paging_iter()]
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def create_endpoint(self, *, url: str, events: Sequence[str]) -> tuple[str, str]:
        # Events come in the version that the SDK reads, whatever the account's own is.
        params = {"url": url, "enabled_events": list(events), "api_version": stripe.api_version}
        try:
            made = self._v1.webhook_endpoints.create({**params, "description": "Wise-Pay"})
            return require_id(made), require_word(made, "secret")
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def update_endpoint(self, endpoint_id: str, *, url: str, events: Sequence[str]) -> None:
        try:
            params = {"url": url, "enabled_events": list(events), "disabled": False}
            require_id(self._v1.webhook_endpoints.update(endpoint_id, params), expected=endpoint_id)
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def delete_endpoint(self, endpoint_id: str) -> None:
        try:
            require_id(self._v1.webhook_endpoints.delete(endpoint_id), expected=endpoint_id)
        except stripe.StripeError as error:
            refusal = convert_error(error)
            if not isinstance(refusal, NotThere):
                raise refusal from error

    def list_events(self, *, since: datetime, until: datetime) -> list[RemoteEvent]:
        created = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
        try:
            found = self._v1.events.list({"created": created, "limit": 100}).data
        except stripe.StripeError as error:
            raise convert_error(error) from error
        return [
            RemoteEvent(
                require_id(one), require_word(one, "type"), require_time(one, "created"), not one.pending_webhooks
            )
            for one in found
        ]

    def register_domain(self, domain: str) -> None:
        try:
            require_id(self._v1.payment_method_domains.create({"domain_name": domain}))
        except stripe.StripeError as error:
            refusal = convert_error(error)
            # Stripe answers with the domain that is there; a refusal of the name itself changes nothing for cards.
            if type(refusal) is not Rejected:
                raise refusal from error


def parse_endpoint(endpoint: stripe.WebhookEndpoint) -> RemoteEndpoint:
    """Parse a WebhookEndpoint."""
    return RemoteEndpoint(
        id=require_id(endpoint),
        url=require_word(endpoint, "url"),
        events=require_words(endpoint, "enabled_events"),
        is_enabled=endpoint.status == "enabled",
        is_current=get_field(endpoint, "api_version") == stripe.api_version,
    )


def sees_setup(publishable_key: str, setup_id: str, client_secret: str) -> bool:
    """Whether a browser with this key sees the setup. Raises StripeError for what says nothing about the key."""
    browser = get_client(publishable_key).v1.setup_intents
    with suppress(stripe.AuthenticationError, stripe.PermissionError, stripe.InvalidRequestError):
        return browser.retrieve(setup_id, {"client_secret": client_secret}).id == setup_id
    return False
