from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_field_words"),
    ]

    operations = [
        migrations.AddField(
            "BalanceTransactionCursor",
            "lease_until",
            models.DateTimeField(help_text="A worker is reading until then.", null=True),
        ),
    ]
