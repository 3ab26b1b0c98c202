"""Payments that are neither for a quote nor for invoices: prepayments under a reference."""

from django.db import migrations, models

ORIGINS = ["quote", "invoices", "automatic", "prepayment"]


class Migration(migrations.Migration):

    dependencies = [("payments", "0016_radar_sessions")]

    operations = [
        migrations.AlterField(
            model_name="payment",
            name="origin",
            field=models.CharField(
                choices=[
                    ("quote", "Quote"),
                    ("invoices", "Invoices"),
                    ("automatic", "Automatic payment"),
                    ("prepayment", "Prepayment"),
                ],
                default="quote",
                max_length=10,
            ),
        ),
        migrations.RemoveConstraint(model_name="payment", name="payment_origin"),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(condition=models.Q(("origin__in", ORIGINS)), name="payment_origin"),
        ),
    ]
