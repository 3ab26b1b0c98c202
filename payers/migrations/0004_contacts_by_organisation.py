from django.db import migrations, models
from django.db.models import F, Func, JSONField, Value


def remember(apps, schema_editor):
    pair = Func(F("organisation_id"), F("contact_id"), function="jsonb_build_object", output_field=JSONField())
    apps.get_model("payers", "PayerCompany").objects.exclude(contact_id="").update(contacts=pair)


class Migration(migrations.Migration):
    dependencies = [("payers", "0003_payer_notifications")]

    operations = [
        migrations.AddField(
            model_name="payercompany",
            name="contacts",
            field=models.JSONField(default=dict, help_text="Which contact it was last, by organisation."),
        ),
        migrations.RunPython(remember, migrations.RunPython.noop),
    ]
