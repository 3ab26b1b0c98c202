"""What django-allauth announces about people's accounts, written into the audit log."""

from datetime import timedelta
from typing import Any

from allauth.account import signals as account_signals
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator
from allauth.socialaccount import signals as social_signals
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from wisepay import clock
from wisepay.audit import record_account_audit
from wisepay.http import get_client_ip, record_rate_limited_use
from wisepay.models import User

METHODS = {
    "password": "password",
    "code": "mailed code",
    "mfa": "second factor",
    "socialaccount": "sign-on with another provider",
}
FACTORS = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery codes"}

MAILED = {
    "account/email/login_code": "sign_in.code_mailed",
    "account/email/password_reset_key": "password.reset_mailed",
    "account/email/unknown_account": "password.reset_unknown",
    "account/email/email_confirmation": "email.confirmation_mailed",
}


@receiver(account_signals.user_logged_in)
def record_sign_in(request: HttpRequest, user: User, **_: object) -> None:
    """Somebody signed in, and how."""
    methods = [describe_method(one) for one in get_authentication_records(request, user)]
    record_account_audit(request, "sign_in.succeeded", person=user, detail=", ".join(dict.fromkeys(methods)))


def describe_method(record: dict[str, Any]) -> str:
    """One proof of identity in words."""
    method = str(record.get("method", ""))
    if method == "mfa":
        return FACTORS.get(str(record.get("type", "")), METHODS["mfa"])
    return METHODS.get(method, method)


@receiver(user_logged_out)
def record_sign_out(request: HttpRequest, user: User | None, **_: object) -> None:
    """Somebody signed out."""
    if user is not None and getattr(request, "META", {}).get("REMOTE_ADDR"):
        record_account_audit(request, "sign_in.ended", person=user)


@receiver(user_login_failed)
def record_failed_sign_in(credentials: dict[str, Any], request: HttpRequest | None = None, **_: object) -> None:
    """Somebody typed a wrong password, or an address that nobody signs in with."""
    if request is not None:
        email = str(credentials.get("email") or credentials.get("username") or "")
        record_account_audit(request, "sign_in.failed", person=find_user(email), email=email)


def record_lockout(request: HttpRequest, *, email: str) -> None:
    """Too many wrong passwords: written once per address and network in five minutes, however many more come."""
    key = f"lockout:{get_client_ip(request)}:{email.lower()}"[:120]
    if not record_rate_limited_use(key, limit=1, per=timedelta(minutes=5), now=clock.now()):
        record_account_audit(request, "sign_in.locked", person=find_user(email), email=email)


def record_mail(request: HttpRequest, template: str, *, email: str) -> None:
    """A code or a reset link was mailed, or a reset was asked for an address that nobody signs in with."""
    if template in MAILED:
        record_account_audit(request, MAILED[template], person=find_user(email), email=email)


def find_user(email: str) -> User | None:
    """Who signs in with this address."""
    return User.objects.filter(email__iexact=email.replace("\0", "")).first() if email else None


@receiver(account_signals.login_code_rejected)
def record_wrong_code(request: HttpRequest, user: User | None, **_: object) -> None:
    """Somebody entered a wrong mailed code."""
    record_account_audit(request, "sign_in.code_refused", person=user, email=user.email if user else "")


@receiver(mfa_signals.authentication_failed)
def record_wrong_factor(request: HttpRequest, user: User, authenticator: Authenticator | None = None, **_: Any) -> None:
    """Somebody entered a wrong code of an authenticator app, a wrong recovery code, or used a wrong passkey."""
    detail = FACTORS.get(authenticator.type, "") if authenticator else ""
    record_account_audit(request, "sign_in.factor_refused", person=user, email=user.email, detail=detail)


@receiver(account_signals.password_set)
@receiver(account_signals.password_changed)
@receiver(account_signals.password_reset)
def record_password(request: HttpRequest, user: User, signal: object = None, **_: object) -> None:
    """A password was set, changed, or reset by a mailed link."""
    action = {
        id(account_signals.password_set): "password.set",
        id(account_signals.password_changed): "password.changed",
    }.get(id(signal), "password.reset")
    record_account_audit(request, action, person=user, email=user.email)


@receiver(account_signals.email_added)
@receiver(account_signals.email_removed)
def record_address(
    request: HttpRequest, user: User, email_address: EmailAddress, signal: object = None, **_: object
) -> None:
    """An address was added to an account, or taken from it."""
    action = "email.added" if signal is account_signals.email_added else "email.removed"
    record_account_audit(request, action, person=user, detail=email_address.email)


@receiver(account_signals.email_confirmed)
def record_confirmed_address(request: HttpRequest, email_address: EmailAddress, **_: object) -> None:
    """An address was proved by the link or code that was mailed to it."""
    person = email_address.user
    record_account_audit(request, "email.confirmed", person=person, email=person.email, detail=email_address.email)


@receiver(account_signals.email_changed)
def record_changed_address(
    request: HttpRequest,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **_: object,
) -> None:
    """Somebody signs in with another address from now on; the first one, proved, changes nothing."""
    if from_email_address is not None:
        detail = f"{from_email_address.email} → {to_email_address.email}"
        record_account_audit(request, "email.changed", person=user, email=user.email, detail=detail)


@receiver(mfa_signals.authenticator_added)
@receiver(mfa_signals.authenticator_removed)
@receiver(mfa_signals.authenticator_reset)
def record_factor(
    request: HttpRequest, user: User, authenticator: Authenticator, signal: object = None, **_: object
) -> None:
    """A second factor was added or removed, or recovery codes were made again."""
    action = {
        id(mfa_signals.authenticator_added): "factor.added",
        id(mfa_signals.authenticator_removed): "factor.removed",
    }.get(id(signal), "factor.renewed")
    record_account_audit(request, action, person=user, detail=FACTORS.get(authenticator.type, authenticator.type))


@receiver(social_signals.social_account_added)
def record_added_provider(request: HttpRequest, sociallogin: Any, **_: object) -> None:
    """Somebody may sign in with another provider from now on."""
    record_account_audit(request, "sign_on.added", person=sociallogin.user, detail=sociallogin.account.provider)


@receiver(social_signals.social_account_removed)
def record_removed_provider(request: HttpRequest, socialaccount: Any, **_: object) -> None:
    """Somebody may not sign in with another provider any more."""
    record_account_audit(request, "sign_on.removed", person=socialaccount.user, detail=socialaccount.provider)
