"""One more event of which merchants are notified."""

from django.db import migrations, models

from merchants.models import EventNotification

EVENTS = EventNotification.Event.choices


def enable_event(apps, schema_editor):
    """Merchants that are there already are notified of it, as new ones are."""
    setting = apps.get_model("merchants", "EventNotification")
    merchants = apps.get_model("merchants", "Merchant").objects.values_list("pk", flat=True)
    setting.objects.bulk_create(
        [setting(merchant_id=pk, event="gateway_refused", is_enabled=True) for pk in merchants], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    dependencies = [("merchants", "0005_clock")]

    operations = [
        migrations.AlterField(
            model_name="eventnotification", name="event", field=models.CharField(choices=EVENTS, max_length=40)
        ),
        migrations.AlterField(
            model_name="notification", name="event", field=models.CharField(choices=EVENTS, max_length=40)
        ),
        migrations.RunPython(enable_event, migrations.RunPython.noop),
    ]
