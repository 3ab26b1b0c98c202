"""What an OpenID provider's claims prove about a person."""

from typing import Any

from allauth.account.models import Login


def get_claims(sociallogin: Any) -> dict[str, Any]:
    """The claims of the signed id_token behind a sign-on."""
    return dict(sociallogin.account.extra_data.get("id_token", {}))


def is_email_verified(claims: dict[str, Any]) -> bool:
    """Whether the provider says that it checked the address; Microsoft says it with a claim of its own."""
    return claims.get("email_verified") in (True, "true") or claims.get("xms_edov") in (True, "true", 1, "1")


def has_multi_factor_claim(login: Login) -> bool:
    """Whether this is a sign-on at whose provider the person proved more than a password."""
    sociallogin = (login.signal_kwargs or {}).get("sociallogin")
    return bool(sociallogin) and "mfa" in get_claims(sociallogin).get("amr", [])
