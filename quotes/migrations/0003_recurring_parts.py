"""Payments know what recurs: the open quotes' payments learn it from their quotes."""

from django.db import migrations


def copy_recurring_parts(apps, schema_editor):
    Quote = apps.get_model("quotes", "Quote")
    Payment = apps.get_model("payments", "Payment")
    for quote in Quote.objects.exclude(recurring=None).iterator():
        part = quote.recurring or {}
        if part.get("amount") and part.get("interval"):
            Payment.objects.filter(pk=quote.payment_id).update(
                recurring_amount=part["amount"],
                recurring_interval=part["interval"],
                recurring_periods=part.get("periods"),
            )


class Migration(migrations.Migration):
    dependencies = [("quotes", "0002_field_words"), ("payments", "0010_consent")]

    operations = [migrations.RunPython(copy_recurring_parts, migrations.RunPython.noop)]
