"""A quote's mapping charges what its payer agreed to at the checkout, and no more."""

from typing import Any

from django.db import migrations, models
from django.db.models import Q

LIVE = ["scheduled", "pending", "held"]


def narrow_mappings_of_quotes(apps: Any, schema_editor: Any) -> None:
    """Each keeps to what its acceptance says; one that rests on none, or on one that says nothing, charges no more."""
    rows = apps.get_model("accounting", "AutoPayMapping").objects.filter(origin="quote").exclude(state="ended")
    for mapping in rows.select_related("acceptance"):
        accepted = mapping.acceptance
        if accepted is None or not accepted.recurring_amount:
            mapping.state = "ended" if mapping.state == "active" else mapping.state
        else:
            mapping.agreed_amount, mapping.agreed_currency = accepted.recurring_amount, accepted.currency
            mapping.agreed_interval, mapping.agreed_periods = accepted.interval, accepted.periods
            mapping.term, mapping.begins_on = None, mapping.begins_on or accepted.accepted_at.date()
        mapping.save()


class Migration(migrations.Migration):
    dependencies = [("accounting", "0019_what_was_done_by_hand"), ("payers", "0008_contacts_of_companies")]

    operations = [
        migrations.AddField(
            "autopaymapping",
            "agreed_amount",
            models.BigIntegerField(help_text="Only invoices of so much; None is of any amount.", null=True),
        ),
        migrations.AddField("autopaymapping", "agreed_currency", models.CharField(blank=True, max_length=3, default="")),
        migrations.AlterField("autopaymapping", "agreed_currency", models.CharField(blank=True, max_length=3)),
        migrations.AddField(
            "autopaymapping",
            "agreed_interval",
            models.CharField(blank=True, default="", help_text="One of them every week, month, …", max_length=10),
        ),
        migrations.AlterField(
            "autopaymapping",
            "agreed_interval",
            models.CharField(blank=True, help_text="One of them every week, month, …", max_length=10),
        ),
        migrations.AddField(
            "autopaymapping",
            "agreed_periods",
            models.PositiveIntegerField(help_text="How many; None is until somebody ends it.", null=True),
        ),
        migrations.AddField(
            "scheduledpayment",
            "agreed_number",
            models.PositiveIntegerField(
                help_text="Which payment it is of those that were agreed with a quote, counted from 1.", null=True
            ),
        ),
        migrations.RemoveConstraint("autopaymapping", "one_mapping_for_all_terms"),
        migrations.RunPython(narrow_mappings_of_quotes, migrations.RunPython.noop),
    ]
