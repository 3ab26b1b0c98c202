import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import wisepay.clock


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0009_field_words"),
    ]

    operations = [
        migrations.RenameField("MirrorCursor", "since", "known_until"),
        migrations.RenameField("MirrorCursor", "asked_at", "read_started_at"),
        migrations.AddField(
            "LedgerPaymentCursor",
            "lease_until",
            models.DateTimeField(help_text="A worker is reading until then.", null=True),
        ),
        migrations.AlterField(
            "MirrorCursor",
            "lease_until",
            models.DateTimeField(help_text="A worker is reading until then.", null=True),
        ),
        migrations.AlterField(
            "MirrorCursor",
            "due_at",
            models.DateTimeField(default=wisepay.clock.now, help_text="When it is polled again."),
        ),
        migrations.AlterField(
            "MirrorCursor",
            "empty_polls",
            models.PositiveIntegerField(default=0, help_text="Polls in a row that found nothing."),
        ),
        migrations.AlterField(
            "MirrorCursor",
            "page",
            models.PositiveIntegerField(default=0, help_text="Pages of the reading under way that are saved."),
        ),
        *(
            migrations.AlterField(
                model,
                "changed_at",
                models.DateTimeField(help_text="When the ledger changed it last.", null=model == "LedgerContact"),
            )
            for model in ("LedgerContact", "LedgerInvoice", "LedgerCredit")
        ),
        *(
            migrations.AlterField(
                model,
                "remark",
                models.CharField(blank=True, help_text="The document's reference in the ledger.", max_length=255),
            )
            for model in ("LedgerInvoice", "LedgerCredit")
        ),
        migrations.AlterField(
            "LedgerInvoice",
            "term_id",
            models.CharField(blank=True, help_text="Branding theme or terms in the ledger.", max_length=60),
        ),
        *(
            migrations.AlterField(
                model,
                "merchant",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="%(class)ss", to="merchants.merchant"
                ),
            )
            for model in ("Download", "PaymentSync")
        ),
        migrations.AlterField(
            "CreditMatch",
            "decided_by",
            models.ForeignKey(
                help_text="Empty: approved by its confidence.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
