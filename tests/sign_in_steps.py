"""Steps of signing in: the password, the emailed code, the code of an authenticator app."""

import re
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.test import Client

from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenants import PASSWORD
from wisepay.models import User

LOGIN = "/accounts/login/"
CODE = "/accounts/login/code/confirm/"
AUTHENTICATE = "/accounts/2fa/authenticate/"
EMAIL = "admin@northwind-it.example"
LAST_MOMENT = 3.0  # seconds before the end of a code in which no person begins to type it


def submit_password(client: Client, email: str = EMAIL, password: str = PASSWORD, *, to: str = "") -> Any:
    """Send the sign-in form; `to` is where the person wanted to go."""
    return client.post(LOGIN + (f"?next={to}" if to else ""), {"login": email, "password": password})


def list_mails(world: SandboxProcess, email: str = EMAIL) -> list[dict[str, Any]]:
    """Everything in the mailbox of that address, newest first."""
    found: list[dict[str, Any]] = world.get("/mailbox/messages.json", params={"to": email}).json()["messages"]
    return found


def get_mailed_code(world: SandboxProcess, email: str = EMAIL) -> str:
    """The newest code that was mailed to that address."""
    codes = (re.search(r"^(\d{6})\s*$", mail["text"], re.MULTILINE) for mail in list_mails(world, email))
    return next(code for code in codes if code)[1]


def submit_code(client: Client, code: str) -> Any:
    """Send the form of the mailed code."""
    return client.post(CODE, {"code": code})


def sign_in(
    client: Client, world: SandboxProcess, email: str = EMAIL, password: str = PASSWORD, *, to: str = ""
) -> Any:
    """Password and mailed code; the answer to the code."""
    submit_password(client, email, password, to=to)
    return submit_code(client, get_mailed_code(world, email))


def is_signed_in(client: Client) -> bool:
    """Whether somebody is signed in in this browser."""
    return "_auth_user_id" in client.session


def enrol_authenticator(user: User) -> str:
    """Enrol an authenticator app without the pages; answers its secret."""
    secret: str = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def get_authenticator_code(secret: str, *, steps: int = 0) -> str:
    """The code that an app with this secret shows now, or so many half minutes later; never one about to end."""
    left = 30 - time.time() % 30
    if left < LAST_MOMENT:
        time.sleep(left)
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def list_factors(user: User) -> list[str]:
    """The types of authenticators that the user has enrolled, in order."""
    return sorted(Authenticator.objects.filter(user=user).values_list("type", flat=True))
