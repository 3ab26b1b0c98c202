"""`manage.py rotate_secrets`: re-encrypt every stored secret with the newest key of WISEPAY_SECRET_KEYS."""

from typing import Any

from django.core.management.base import CommandError
from django_subatomic.db import transaction

from wisepay.audit_log.erasure import sign_old_marks
from wisepay.commands import OperatorCommand
from wisepay.secret_rotation import rotate_secrets
from wisepay.secrets import current_key_id


class Command(OperatorCommand):
    """Re-encrypt secrets while everything runs; may be stopped and run again."""

    help = "Re-encrypt every stored secret with the first key of WISEPAY_SECRET_KEYS, and say what is left."

    def handle(self, *_: Any, **__: Any) -> None:
        newest = current_key_id()
        report = rotate_secrets()
        with transaction():
            marks = sign_old_marks()
        if marks:
            self.stdout.write(f"{marks} marks in the audit log signed again")
        self.stdout.write(f"{report.reencrypted} secrets put under key {newest}")
        if report.changed_meanwhile:
            self.stdout.write(f"{report.changed_meanwhile} were replaced by others meanwhile")
        for key_id, count in sorted(report.remaining.items()):
            note = "" if key_id == newest else "  <- keep this key until none is left: run again"
            self.stdout.write(f"key {key_id}: {count} secrets{note}")
        if report.unreadable:
            raise CommandError(f"{report.unreadable} cannot be read: their key is not in WISEPAY_SECRET_KEYS")
