"""Rotating the keys of secrets: everything moves to the newest key while everything goes on."""

import base64
from io import StringIO
from threading import Event

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from connections.models import Connection
from connections.tokens import get_access_token
from payments.models import GatewayAccount
from sandbox.harness.sandbox_process import SandboxProcess
from tests.concurrency import run_concurrently
from tests.connections.oauth_steps import allow_access, count_token_calls, start_consent
from tests.tenants import Tenant, create_tenant
from wisepay import secret_rotation
from wisepay.accounts.adapters import MfaAdapter
from wisepay.accounts.factor_secrets import secrets_of
from wisepay.secret_rotation import count_keys, list_secret_columns, rotate_secrets
from wisepay.secrets import Secret, SecretField

KEYS = {name: f"{name}:{base64.b64encode(name[-1].encode() * 32).decode()}" for name in ("k7", "k8", "k9")}


@pytest.fixture(autouse=True)
def _old_key(settings: Settings) -> None:
    settings.SECRET_KEYS = KEYS["k7"]


@pytest.fixture
def full(db: None, world: SandboxProcess) -> Tenant:
    """A merchant with a secret of every kind, all under the old key: tokens, gateway and CPQ keys, second factors."""
    tenant = create_tenant(world)
    start_consent(tenant)
    adapter = MfaAdapter()
    Authenticator.objects.create(user=tenant.user, type="totp", data={"secret": adapter.encrypt("JBSWY3DP")})
    codes = {
        "seed": adapter.encrypt("seed"),
        "used_mask": 3,
        "migrated_codes": [adapter.encrypt("a"), adapter.encrypt("b")],
    }
    Authenticator.objects.create(user=tenant.user, type="recovery_codes", data=codes)
    return tenant


def plain() -> list[str]:
    """Every secret of a column, readable."""
    rows = [
        (str(model._meta), row.pk, getattr(row, column.attname).decrypt() if getattr(row, column.attname) else "")
        for model, column in list_secret_columns()
        for row in model._base_manager.order_by("pk")
    ]
    adapter = MfaAdapter()
    factors = {a.type: a.data for a in Authenticator.objects.all()}
    inside = [
        factors["totp"]["secret"],
        factors["recovery_codes"]["seed"],
        *factors["recovery_codes"]["migrated_codes"],
    ]
    with secrets_of(Authenticator.objects.get(type="totp").user_id):
        return [f"{row}" for row in rows] + [adapter.decrypt(text) for text in inside]


def rotate(*, key: str = "k8") -> str:
    """Run the command and answer its output."""
    said = StringIO()
    call_command("rotate_secrets", stdout=said)
    assert key in said.getvalue()
    return said.getvalue()


def test_every_secret_moves_to_the_newest_key_and_stays_the_same(full: Tenant, settings: Settings) -> None:
    before, count = plain(), count_keys()
    assert set(count) == {"k7"}
    assert count["k7"] >= 12
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    said = rotate()
    assert f"{count['k7']} secrets put under key k8" in said
    assert f"key k8: {count['k7']} secrets" in said
    assert "k7" not in said
    settings.SECRET_KEYS = KEYS["k8"]
    assert plain() == before
    assert get_access_token(full.connection, now=timezone.now())


def test_there_is_nothing_to_do_the_second_time(full: Tenant, settings: Settings) -> None:
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    rotate()
    stored = list(Connection.objects.values_list("refresh_token", flat=True))
    assert "0 secrets put under key k8" in rotate()
    assert list(Connection.objects.values_list("refresh_token", flat=True)) == stored


def test_it_goes_on_where_it_was_stopped(full: Tenant, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    real, columns = secret_rotation.rotate_column, []

    def stopped(model: type, column: SecretField, report: secret_rotation.RotationReport) -> None:
        columns.append(column)
        if len(columns) == 3:
            raise KeyboardInterrupt
        real(model, column, report)

    with monkeypatch.context() as patch:
        patch.setattr(secret_rotation, "rotate_column", stopped)
        with pytest.raises(KeyboardInterrupt):
            rotate_secrets()
    assert set(count_keys()) == {"k7", "k8"}
    rotate()
    assert set(count_keys()) == {"k8"}


def test_batches_end(full: Tenant, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        start_consent(full)
    monkeypatch.setattr(secret_rotation, "BATCH", 2)
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    rotate()
    assert set(count_keys()) == {"k8"}


def test_what_cannot_be_read_is_left_alone_and_named(full: Tenant, settings: Settings) -> None:
    settings.SECRET_KEYS = f"{KEYS['k9']},{KEYS['k7']}"
    account = GatewayAccount.objects.get(merchant=full.merchant)
    account.webhook_secret = "whsec_of_another_key"
    account.save(update_fields=["webhook_secret"])
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    said = StringIO()
    with pytest.raises(CommandError, match="1 cannot be read"):
        call_command("rotate_secrets", stdout=said)
    assert "key k9: 1 secrets  <- keep this key" in said.getvalue()
    assert set(count_keys()) == {"k8", "k9"}


def test_a_token_that_is_refreshed_meanwhile_is_never_put_back(full: Tenant, settings: Settings) -> None:
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    column = next(c for m, c in list_secret_columns() if m is Connection and c.attname == "refresh_token")
    read = secret_rotation.list_outdated_secrets

    def read_then_refresh(*args: object, **kwargs: object) -> list:
        rows = read(*args, **kwargs)  # type: ignore[arg-type]
        if rows:
            Connection.objects.update(access_expires_at=timezone.now())
            get_access_token(full.connection, now=timezone.now())
        return rows

    report = secret_rotation.RotationReport()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret_rotation, "list_outdated_secrets", read_then_refresh)
        secret_rotation.rotate_column(Connection, column, report)
    assert (report.reencrypted, report.changed_meanwhile) == (0, 1)
    Connection.objects.update(access_expires_at=timezone.now())
    assert get_access_token(full.connection, now=timezone.now())
    assert full.connection.state == "connected"


@pytest.mark.django_db(transaction=True)
def test_no_call_fails_while_keys_are_rotated_under_it(full: Tenant, settings: Settings) -> None:
    settings.SECRET_KEYS = f"{KEYS['k8']},{KEYS['k7']}"
    over = Event()

    def work(index: int) -> int:
        if index == 0:
            for name in ("k9", "k8", "k9"):
                settings.SECRET_KEYS = ",".join([KEYS[name], *[k for n, k in KEYS.items() if n != name]])
                assert rotate_secrets().unreadable == 0
            over.set()
            return 0
        rounds = 0
        while not over.is_set() or rounds < 2:
            Connection.objects.update(access_expires_at=timezone.now())
            assert get_access_token(full.connection, now=timezone.now())
            rounds += 1
        return rounds

    rounds = run_concurrently(3, work)
    assert min(rounds[1:]) >= 2
    assert full.connection.state == "connected"
    assert count_token_calls(full) >= 4
    assert rotate_secrets().unreadable == 0
    assert set(count_keys()) == {"k9"}
    assert allow_access(start_consent(full), "au")


def test_what_was_written_before_secrets_were_bound_to_rows_opens_and_is_bound(full: Tenant) -> None:
    """Every column: the old form is read, sealed again for its row under the same key, and then opens nowhere else."""
    before = plain()
    for model, column in list_secret_columns():
        for row in model._base_manager.all():
            secret = getattr(row, column.attname)
            old = Secret.encrypt(secret.decrypt(), purpose=column.purpose) if secret else ""
            model._base_manager.filter(pk=row.pk).update(**{column.attname: old})
    assert plain() == before
    rotate(key="k7")
    assert plain() == before
    for model, column in list_secret_columns():
        for row in model._base_manager.exclude(**{column.attname: ""}):
            assert getattr(row, column.attname).is_bound
