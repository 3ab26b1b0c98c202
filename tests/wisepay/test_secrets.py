"""Secrets at rest: keys rotate, a purpose binds, and plain text never shows by accident."""

import base64
import itertools
import json
import pickle

import pytest
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from pytest_django import Settings

from merchants.models import Merchant
from payments.models import GatewayAccount
from tests.connections.oauth_steps import start_consent
from tests.tenants import Tenant
from wisepay.secret_rotation import list_secret_columns
from wisepay.secrets import Secret, SecretField, UndecipherableSecret

OLD = "k1:" + base64.b64encode(b"1" * 32).decode()
NEW = "k2:" + base64.b64encode(b"2" * 32).decode()
PLAIN = "sk_test_a0very0secret0key"


@pytest.fixture
def account(db: None) -> GatewayAccount:
    """A gateway account, made from plain text."""
    merchant = Merchant.objects.create(name="Northwind IT")
    return GatewayAccount.objects.create(
        merchant=merchant, publishable_key="pk_test_1", secret_key=PLAIN, webhook_secret="whsec_practice"
    )


def test_a_secret_is_read_back_with_its_own_purpose_only(settings: Settings) -> None:
    settings.SECRET_KEYS = OLD
    sealed = Secret.encrypt(PLAIN, purpose="a.b")
    assert sealed.decrypt() == PLAIN
    with pytest.raises(UndecipherableSecret, match="purpose"):
        Secret(sealed.stored, "a.c").decrypt()


def test_the_newest_key_encrypts_and_older_ones_still_decrypt(settings: Settings) -> None:
    settings.SECRET_KEYS = OLD
    before = Secret.encrypt(PLAIN, purpose="a.b")
    settings.SECRET_KEYS = f"{NEW},{OLD}"
    after = Secret.encrypt(PLAIN, purpose="a.b")
    assert (before.key_id, after.key_id) == ("k1", "k2")
    assert before.decrypt() == after.decrypt() == PLAIN
    settings.SECRET_KEYS = NEW
    assert after.decrypt() == PLAIN
    with pytest.raises(UndecipherableSecret, match="k1"):
        before.decrypt()


def test_a_changed_text_is_not_deciphered(settings: Settings) -> None:
    settings.SECRET_KEYS = OLD
    key_id, _, encoded = Secret.encrypt(PLAIN, purpose="a.b").stored.partition(":")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    with pytest.raises(UndecipherableSecret):
        Secret(f"{key_id}:{base64.b64encode(raw).decode()}", "a.b").decrypt()


def test_the_same_text_is_stored_differently_every_time(settings: Settings) -> None:
    settings.SECRET_KEYS = OLD
    assert Secret.encrypt(PLAIN, purpose="a.b").stored != Secret.encrypt(PLAIN, purpose="a.b").stored


@pytest.mark.parametrize(
    "keys", ["", " , ", "k1", "k1:", "k1:not-base64!", "k1:" + base64.b64encode(b"short").decode()]
)
def test_keys_that_are_no_keys_stop_the_process(settings: Settings, keys: str) -> None:
    settings.SECRET_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="WISEPAY_SECRET_KEYS"):
        Secret.encrypt(PLAIN, purpose="a.b")


def test_the_column_holds_no_plain_text(account: GatewayAccount) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(a)::text FROM payments_gatewayaccount a WHERE id = %s", [account.pk])
        row = cursor.fetchone()[0]
    assert "a0very0secret0key" not in row
    assert "whsec_practice" not in row
    assert json.loads(row)["secret_key"].startswith(account.secret_key.key_id + ":")


def test_a_secret_shows_nothing_unless_it_is_revealed(account: GatewayAccount) -> None:
    fresh = GatewayAccount.objects.get(pk=account.pk)
    looks = [repr(fresh), str(vars(fresh)), repr(vars(account)), f"{fresh.secret_key}", repr(fresh.secret_key)]
    looks += [str(GatewayAccount.objects.values()), serializers.serialize("json", [fresh]), str(pickle.dumps(fresh))]
    assert not [look for look in looks if "a0very0secret0key" in look]
    assert fresh.secret_key.decrypt() == account.secret_key.decrypt() == PLAIN


def test_a_column_survives_save_update_and_refresh(account: GatewayAccount) -> None:
    account.save()
    account.refresh_from_db()
    assert account.secret_key.decrypt() == PLAIN
    with pytest.raises(TypeError, match="belongs to a row"), transaction.atomic():
        GatewayAccount.objects.filter(pk=account.pk).update(secret_key="sk_test_another0key")
    column = GatewayAccount._meta.get_field("secret_key")
    assert isinstance(column, SecretField)
    fresh = column.encrypt_for(account, "sk_test_another0key")
    GatewayAccount.objects.filter(pk=account.pk).update(secret_key=fresh)
    account.refresh_from_db()
    assert account.secret_key.decrypt() == "sk_test_another0key"


def test_a_secret_moved_to_another_column_is_useless(account: GatewayAccount) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_gatewayaccount SET webhook_secret = secret_key")
    account.refresh_from_db()
    with pytest.raises(UndecipherableSecret):
        account.webhook_secret.decrypt()


def test_an_empty_secret_is_false(account: GatewayAccount) -> None:
    account.webhook_secret = ""
    account.save()
    account.refresh_from_db()
    assert not account.webhook_secret


def test_every_secret_column_names_its_row() -> None:
    columns = list(list_secret_columns())
    assert len(columns) >= 8
    for model, column in columns:
        assert "merchant_id" in column.row, model
        names = {field.attname for field in model._meta.concrete_fields}
        assert set(column.row) <= names


def test_a_secret_moved_to_another_row_is_useless(tenant: Tenant, stranger: Tenant) -> None:
    """Every column of every table: another merchant's ciphertext, and another row's of the same merchant."""
    start_consent(tenant)
    start_consent(stranger)
    tried = 0
    for model, column in list_secret_columns():
        rows = list(model._base_manager.exclude(**{column.attname: ""}).order_by("pk"))
        for one, other in itertools.permutations(rows, 2):
            point = transaction.savepoint_create()
            moved = getattr(other, column.attname)
            model._base_manager.filter(pk=one.pk).update(**{column.attname: moved})
            with pytest.raises(UndecipherableSecret):
                getattr(model._base_manager.get(pk=one.pk), column.attname).decrypt()
            transaction.savepoint_rollback(point)
            tried += 1
    assert tried >= 20


def test_a_secret_that_one_row_hands_to_another_is_bound_anew(account: GatewayAccount) -> None:
    other = Merchant.objects.create(name="Other IT")
    copy = GatewayAccount(merchant=other, publishable_key="pk_test_2", webhook_secret=account.webhook_secret)
    copy.secret_key = account.secret_key
    copy.save()
    fresh = GatewayAccount.objects.get(pk=copy.pk)
    assert (fresh.secret_key.decrypt(), fresh.secret_key.is_bound) == (PLAIN, True)
    assert GatewayAccount.objects.get(pk=account.pk).secret_key.decrypt() == PLAIN
