"""How django-allauth behaves here: nobody signs up, a mailed code is the least second factor, secrets are encrypted."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress, Login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from wisepay.accounts.audit_receivers import record_lockout, record_mail
from wisepay.accounts.factor_secrets import HASHED, PURPOSE, open_secret
from wisepay.accounts.known_browsers import (
    KNOWN_BROWSER,
    is_guessing_stopped,
    is_known_browser,
    record_sign_in_failure,
    remember_browser,
)
from wisepay.accounts.recovery_codes import HashedCode
from wisepay.accounts.services import (
    has_second_factor,
    is_mail_limit_exceeded,
    is_mailed_code_limit_exceeded,
    needs_second_factor,
    reset_code_limits,
    sync_email_address,
)
from wisepay.accounts.sign_in_context import describe_browser, list_merchant_names
from wisepay.addresses import build_public_url, get_public_host
from wisepay.errors import Unavailable
from wisepay.http import get_client_ip, get_network, too_many_requests
from wisepay.mail import EmailRefused, deliver_email, render_text_as_html
from wisepay.models import User
from wisepay.secrets import Secret
from wisepay.social.id_tokens import has_multi_factor_claim

logger = structlog.get_logger(__name__)
LOGIN_CODE = "account/email/login_code"
OFFER_COOKIE = f"{settings.COOKIE_PREFIX}app_offered"
OFFER_COOKIE_AGE = 30 * 24 * 3600  # seconds
# What somebody who is not signed in can have mailed, to any address.
STRANGERS_MAILS = (
    "account/email/password_reset_key",
    "account/email/unknown_account",
    "account/email/email_confirmation",
)
PARAGRAPH = re.compile(r"\n{2,}")


@dataclass(frozen=True, slots=True)
class PublicSite:
    """The site as allauth's mails name it: by its public address, whatever host a browser asked for."""

    domain: str = field(default_factory=get_public_host)
    name: str = "Wise-Pay"


def is_link_to(origin: str, value: Any) -> bool:
    """Whether a value is a link to a page at that origin."""
    return isinstance(value, str) and value.startswith(f"{origin}/")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-in by e-mail address; accounts come from `manage.py create_merchant`, invitations and the checkout."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address as all our limits and records read it."""
        return get_client_ip(request)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """By what failed sign-ins are counted: the address with the network or the known browser that they come from.

        By the address alone five wrong passwords of a stranger would lock its owner out.
        """
        email = str(credentials.get("email", "")).lower()
        browser = KNOWN_BROWSER if is_known_browser(request, email) else get_network(get_client_ip(request))
        return f"{browser}:{email}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse what was tried too often from there; from everywhere together only browsers that are not known.

        The audit log is told once a while.
        """
        email = str(credentials.get("email", "")).lower()
        try:
            is_known = is_known_browser(request, email)
            if email and not is_known and is_guessing_stopped(email, ip=get_client_ip(request)):
                raise self.validation_error("too_many_login_attempts")
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            record_lockout(request, email=email)
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the failure for the address and for the network."""
        record_sign_in_failure(str(credentials.get("email", "")).lower(), ip=get_client_ip(request))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The user who signs in with this address; allauth would also accept one that waits to be verified."""
        user: User | None = super().authenticate(request, **credentials)
        email = credentials.get("email")
        return None if user and email and user.email.lower() != email.lower() else user

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if answer is None:
            sync_email_address(user)
        return answer

    def is_login_by_code_required(self, login: Login) -> bool:
        """Whether a mailed code is asked for: not with an app or key, nor after a provider's second factor."""
        if login.user is None or has_second_factor(login.user) or has_multi_factor_claim(login):
            return False
        return needs_second_factor(login.user)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Redirect to the next page; after a mailed code by way of the offer of an authenticator app."""
        answer = self._offer_app(request, user, super().post_login(request, user, **kwargs))
        remember_browser(answer, user)
        return answer

    def _offer_app(self, request: HttpRequest, user: User, answer: HttpResponse) -> HttpResponse:
        if self._last_method(user) != "code":
            return answer
        reset_code_limits(user)
        if OFFER_COOKIE in request.COOKIES:
            return answer
        offer = redirect(f"{reverse('two_factor_offer')}?{urlencode({'next': answer['Location']})}")
        offer.set_cookie(OFFER_COOKIE, "1", OFFER_COOKIE_AGE, secure=settings.SECURE, httponly=True, samesite="Lax")
        return offer

    def _last_method(self, user: User) -> str:
        records = get_authentication_records(self.request, user)
        return str(records[-1]["method"]) if records else ""

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whether the last sign-in is too old; `services.has_reauthenticated` does not accept a sign-in at all."""
        records = get_authentication_records(self.request, self.request.user)
        return not (records and records[-1]["at"] > time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Verify a changed address, unless somebody else signs in with it."""
        if User.objects.filter(email__iexact=email_address.email).exclude(pk=email_address.user_id).exists():
            messages.error(request, "This address can't be used.")
            return False
        return bool(super().confirm_email(request, email_address))

    def render_mail(
        self, template_prefix: str, email: str | list[str], context: dict[str, Any], headers: Any = None
    ) -> EmailMultiAlternatives:
        """Render the mail as text, and as HTML in the layout of all our mails."""
        message: EmailMultiAlternatives = super().render_mail(template_prefix, email, context, headers)
        *paragraphs, _signature = PARAGRAPH.split(str(message.body))
        words = {"paragraphs": [render_text_as_html(one) for one in paragraphs], "code": context.get("code")}
        message.attach_alternative(render_to_string("emails/account.html", words), "text/html")
        return message

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send one mail now; answer the request with 429 after too many codes, with 503 without a mail server."""
        if template_prefix == LOGIN_CODE and is_mailed_code_limit_exceeded(email):
            raise ImmediateHttpResponse(too_many_requests(self.request))
        # The page must not tell how often an address was written to: no mail, the same answer.
        if template_prefix in STRANGERS_MAILS and is_mail_limit_exceeded(email, ip=get_client_ip(self.request)):
            logger.warning("mail_limit_reached", template=template_prefix)
            return
        site = PublicSite()
        values = {"request": self.request, "email": email, "current_site": site, **self._publish(context)}
        user = context.get("user") or User.objects.filter(email__iexact=email).first()
        values |= {
            "browser": describe_browser(str(context.get("user_agent") or "")),
            "merchants": list_merchant_names(user) if user else [],
        }
        record_mail(self.request, template_prefix, email=email)
        try:
            deliver_email(self.render_mail(template_prefix, email, {**values, "public_url": build_public_url("")}))
        except EmailRefused as error:
            logger.warning("mail_refused", template=template_prefix)
            if template_prefix == LOGIN_CODE:  # whoever waits for it has proved their password
                raise ImmediateHttpResponse(self.explain_refused_mail(email)) from error
        except Unavailable as error:
            logger.warning("mail_not_sent", template=template_prefix, error=str(error))
            title = "We can't send mail at the moment. Please try again in a minute"
            raise ImmediateHttpResponse(render(self.request, "error.html", {"title": title}, status=503)) from error

    def explain_refused_mail(self, email: str) -> HttpResponse:
        """Answer that the code cannot arrive, and what to do about it."""
        message = _(
            "The mail server of %(email)s refuses our mail. Ask whoever invited you for access under another address."
        )
        context = {"title": _("The code cannot reach you"), "message": message % {"email": email}}
        return render(self.request, "error.html", context, status=422)

    def _publish(self, context: dict[str, Any]) -> dict[str, Any]:
        """The context with every link at our public address: allauth takes the host that the browser named."""
        here = self.request.build_absolute_uri("/").rstrip("/")
        return {
            name: build_public_url(value.removeprefix(here)) if is_link_to(here, value) else value
            for name, value in context.items()
        }

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Email the person what was changed. The change stands, so a mail server's error is only logged."""
        try:
            super().send_notification_mail(*args, **kwargs)
        except ImmediateHttpResponse:
            logger.warning("notification_not_sent", template=args[0] if args else "")


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Encrypts the secrets of authenticator apps, compares recovery codes by their hashes, and names passkeys."""

    def encrypt(self, text: str) -> str:
        """Encrypt a secret; it is bound to its person when the row is saved."""
        return Secret.encrypt(text, purpose=PURPOSE).stored

    def decrypt(self, encrypted_text: str) -> str:
        if encrypted_text.startswith(HASHED):
            return HashedCode(encrypted_text)
        return open_secret(encrypted_text)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Wise-Pay"}

    def generate_authenticator_name(self, user: User, type: Any) -> str:  # noqa: A002
        """The first name of a passkey, for example Passkey 2."""
        return f"Passkey {Authenticator.objects.filter(user=user, type=type).count() + 1}"
