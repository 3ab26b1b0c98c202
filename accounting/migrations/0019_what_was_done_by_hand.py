"""What people say was done by hand, and the accounts that were chosen in each organisation."""

from typing import Any

from django.db import migrations, models

CHOICES = ("clearing_account", "prepayments_account", "tax_code", "item")


def fill_notes(apps: Any, schema_editor: Any) -> None:
    """Tasks that were done before notes were asked for say so; accounts are kept under their organisation."""
    task, settings = apps.get_model("accounting", "ManualTask"), apps.get_model("accounting", "AccountingSettings")
    task.objects.filter(done_by__isnull=False, note="").update(note="Done before it was asked what was done.")
    for row in settings.objects.exclude(organisation_id=""):
        row.by_organisation = {row.organisation_id: {name: getattr(row, name) for name in CHOICES}}
        row.save(update_fields=["by_organisation"])
    settings.objects.exclude(clearing_account="").filter(prepayments_account=models.F("clearing_account")).update(
        prepayments_account=""
    )
    settings.objects.update(lists_of=models.F("organisation_id"))


class Migration(migrations.Migration):
    dependencies = [("accounting", "0018_contacts_and_currencies")]

    operations = [
        migrations.AlterModelOptions("accountingsettings", {"verbose_name_plural": "accounting settings"}),
        migrations.AlterModelOptions("autopaysettings", {"verbose_name_plural": "auto pay settings"}),
        migrations.AddField(
            "accountingsettings",
            "by_organisation",
            models.JSONField(
                default=dict, help_text="What was last chosen in each organisation, by its id, with its name."
            ),
        ),
        migrations.AddField(
            "accountingsettings",
            "lists_of",
            models.CharField(
                blank=True, default="", help_text="Where the choices were last read.", max_length=60
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "manualtask",
            "note",
            models.CharField(blank=True, default="", help_text="What was done by hand.", max_length=300),
            preserve_default=False,
        ),
        migrations.AddField("manualtask", "posting_before", models.JSONField(default=dict)),
        migrations.AddField(
            "autopaymapping",
            "begins_on",
            models.DateField(help_text="Invoices of before are not charged; None is all of them.", null=True),
        ),
        migrations.AlterField(
            "unmatchedinvoice",
            "code",
            models.CharField(
                choices=[
                    ("unmatched", "No mapping"),
                    ("method", "No method can pay it"),
                    ("currency", "Currency"),
                    ("below_minimum", "Below the minimum"),
                    ("above_maximum", "Above the maximum"),
                    ("past_due", "Past due"),
                    ("no_date", "No date"),
                    ("older", "Older than the mapping"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(fill_notes, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            "manualtask",
            models.CheckConstraint(
                condition=models.Q(("done_by", None), models.Q(("note", ""), _negated=True), _connector="OR"),
                name="manual_task_says_what_was_done",
            ),
        ),
        migrations.AddConstraint(
            "accountingsettings",
            models.CheckConstraint(
                condition=models.Q(
                    ("clearing_account", ""),
                    models.Q(("clearing_account", models.F("prepayments_account")), _negated=True),
                    _connector="OR",
                ),
                name="clearing_is_not_prepayments",
            ),
        ),
    ]
