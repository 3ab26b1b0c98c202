"""Settings that must not meet each other, and the names of cookies over https."""

import os
import subprocess
import sys

import pytest

from sandbox.harness.environment import create_encryption_key

HTTPS = {"PUBLIC_URL": "https://pay.example.com", "ALLOWED_HOSTS": "pay.example.com"}
SHOW = """
import django; django.setup()
from django.conf import settings
from django.contrib.messages.storage import default_storage
from django.test import RequestFactory
from wisepay.accounts.adapters import OFFER_COOKIE
request = RequestFactory().get("/")
request.session = {}
names = [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, OFFER_COOKIE]
print(*names, default_storage(request).storages[0].cookie_name)
"""


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an environment of its own settings; nothing is connected to."""
    given = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "tests-only-Zr7uQ2mX9vTgB4kLpW8sNcYd3HfJa6Re5UoMi1xPqSw0",
        "WISEPAY_SECRET_KEYS": create_encryption_key(),
        "DATABASE_URL": "postgresql://localhost/none",
        "REDIS_URL": "redis://localhost/0",
        "EMAIL_URL": "smtp://localhost:25",
        "TRUSTED_PROXY_COUNT": "1",
        "DJANGO_SETTINGS_MODULE": "wisepay.settings",
        **environment,
    }
    return subprocess.run([sys.executable, *command], env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("url", ["https://pay.example.com", "http://127.0.0.1:8000"])
def test_cookies_belong_to_one_host_over_https(url: str) -> None:
    names = run(["-c", SHOW], PUBLIC_URL=url, ALLOWED_HOSTS="pay.example.com").stdout.split()
    assert len(names) == 4
    assert all(name.startswith("__Host-") is url.startswith("https") for name in names)


@pytest.mark.parametrize(
    "start", [["manage.py", "check"], ["-c", "import wisepay.wsgi"], ["-m", "celery", "-A", "wisepay", "report"]]
)
def test_the_demo_is_refused_over_https(start: list[str]) -> None:
    refused = run(start, **HTTPS, WISEPAY_DEMO="1")
    assert refused.returncode != 0
    assert "WISEPAY_DEMO=1 with an https PUBLIC_URL" in refused.stderr
    assert run(start, **HTTPS).returncode == 0


def test_production_without_a_mail_server_is_said() -> None:
    said = run(["manage.py", "check", "--deploy"], **HTTPS, EMAIL_URL="consolemail://")
    assert "wisepay.W001" in said.stderr
    assert "wisepay.W001" not in run(["manage.py", "check", "--deploy"], **HTTPS).stderr


def test_a_replaced_key_still_opens_what_it_signed() -> None:
    sign = "import django; django.setup(); from django.core import signing; print(signing.dumps('link'))"
    signed = run(["-c", sign], **HTTPS, SECRET_KEY="old-" + "k" * 50).stdout.strip()
    read = f"import django; django.setup(); from django.core import signing; print(signing.loads({signed!r}))"
    assert run(["-c", read], **HTTPS, SECRET_KEY_FALLBACKS="old-" + "k" * 50).stdout.strip() == "link"
    assert run(["-c", read], **HTTPS).returncode != 0
