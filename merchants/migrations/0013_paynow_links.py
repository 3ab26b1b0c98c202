"""PayNow Links of five kinds: found by their key, switched, expiring; present keys are given their digests."""

from dataclasses import replace
from datetime import UTC
from hashlib import sha256

from django.db import migrations, models

from wisepay.secrets import UndecipherableSecret


def fill_digests(apps, schema_editor):
    """Give each present link the digest of its key; one that cannot be read has to be generated again."""
    for link in apps.get_model("merchants", "PayNowLink").objects.filter(key_digest=None):
        # A model of a migration does not know what names its row.
        row = (str(link.merchant_id), link.kind, link.created_at.astimezone(UTC).isoformat())
        try:
            key = replace(link.api_key, row=row).decrypt()
        except UndecipherableSecret:
            continue
        apps.get_model("merchants", "PayNowLink").objects.filter(pk=link.pk).update(
            key_digest=sha256(key.encode()).hexdigest()
        )


class Migration(migrations.Migration):

    dependencies = [("merchants", "0012_roles_and_invitations")]

    operations = [
        migrations.AlterField(
            model_name="paynowlink",
            name="kind",
            field=models.CharField(
                choices=[
                    ("event_notification", "Event Notification"),
                    ("xero", "Xero"),
                    ("connectwise_invoice", "ConnectWise (invoice)"),
                    ("connectwise_portal", "ConnectWise Customer Portal"),
                    ("quick_link", "Quick Link"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="paynowlink",
            name="is_active",
            field=models.BooleanField(default=True, help_text="Not replaced by a newer one."),
        ),
        migrations.AddField(
            model_name="paynowlink",
            name="key_digest",
            field=models.CharField(max_length=64, null=True, unique=True),
        ),
        migrations.AddField(
            model_name="paynowlink", name="is_enabled", field=models.BooleanField(default=True)
        ),
        migrations.AddField(
            model_name="paynowlink", name="expires_days", field=models.PositiveSmallIntegerField(null=True)
        ),
        migrations.AddField(
            model_name="paynowlink", name="takes_prepayments", field=models.BooleanField(default=False)
        ),
        migrations.AddField(
            model_name="paynowlink", name="last_used_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddConstraint(
            model_name="paynowlink",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_days", None))
                | models.Q(("expires_days__gte", 1), ("expires_days__lte", 3650)),
                name="paynow_link_expires_in_days",
            ),
        ),
        migrations.RunPython(fill_digests, migrations.RunPython.noop),
    ]
