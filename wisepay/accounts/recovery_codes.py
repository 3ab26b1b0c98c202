"""Recovery codes: shown once, then only their hashes stay, so that neither the database nor its key gives them back."""

import base64
import hashlib
import hmac
import os
from datetime import datetime, timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import DownloadRecoveryCodesView, ViewRecoveryCodesView
from django.http import HttpRequest, HttpResponseBase
from django_subatomic.db import transaction

from wisepay.accounts.factor_secrets import HASHED, secrets_of


class HashedCode(str):
    """The stored hash of a code: equal to the code that it was made from, and to nothing else."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        salt = self.split("$")[1]
        return isinstance(other, str) and hmac.compare_digest(str(self), hash_code(other, salt=salt))

    __hash__ = str.__hash__


def hash_code(code: str, *, salt: str) -> str:
    """The hash of a code as it is stored: scheme, salt and digest."""
    digest = hashlib.scrypt(code.encode(), salt=salt.encode(), n=2**14, r=8, p=1)
    return f"{HASHED}{salt}${base64.b64encode(digest).decode()}"


def hash_recovery_codes(user_id: int) -> None:
    """Replace a person's recovery codes by their hashes; nothing happens where that was done, or there are none."""
    with transaction():
        rows = Authenticator.objects.select_for_update()
        found = rows.filter(user_id=user_id, type=Authenticator.Type.RECOVERY_CODES).first()
        if found is None or "seed" not in found.data:
            return
        salt = base64.b64encode(os.urandom(16)).decode()
        with secrets_of(user_id):
            hashes = [hash_code(code, salt=salt) for code in found.wrap().get_unused_codes()]
        # allauth reads a list under this name instead of a seed.
        found.data = {"migrated_codes": hashes, "viewed_at": found.data.get("viewed_at")}
        found.save(update_fields=["data"])


def hash_forgotten_codes(*, now: datetime) -> int:
    """Hash the codes that were shown before they were hashed, or not looked at for a day; answer how many people's."""
    stored = Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES, data__has_key="seed")
    found = list(stored.filter(created_at__lt=now - timedelta(days=1)).values_list("user_id", flat=True)[:500])
    for user_id in found:
        hash_recovery_codes(user_id)
    return len(found)


class ShowRecoveryCodes(ViewRecoveryCodesView):  # type: ignore[misc]
    """The page that shows the codes once, and afterwards how many are left."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        hash_recovery_codes(self.request.user.pk)
        return context


class DownloadRecoveryCodes(DownloadRecoveryCodesView):  # type: ignore[misc]
    """The codes as a text, instead of the page that shows them once."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        hash_recovery_codes(self.request.user.pk)
        return response
