from django.db import migrations, models

EVENTS = [
    ("prepayment_processed", "Prepayment Processed Successfully"),
    ("bank_debit_submitted", "Bank Debit Submitted"),
    ("bank_debit_rejected", "Bank Debit Late Rejection"),
    ("payment_disputed", "Payment Disputed"),
    ("payment_refunded", "Payment Refunded"),
    ("method_saved", "Payment Method Saved"),
    ("payer_registered", "Payer Registered"),
    ("autopay_failed", "Automatic Payment Failed"),
    ("autopay_unmatched", "Automatic Payment Unmatched"),
    ("autopay_proposed", "Automatic Payments Proposed"),
    ("books_task", "Accounting Needs a Person"),
    ("posting_refused", "Accounting Posting Refused"),
    ("connection_broken", "Accounting Connection Broken"),
    ("gateway_refused", "Payment Gateway Refused"),
    ("card_testing", "Many Cards Declined"),
]


def enable_for_everybody(apps, schema_editor):
    """Merchants that are there already are told of a storm of declines, as new ones are."""
    setting = apps.get_model("merchants", "EventNotification")
    merchants = apps.get_model("merchants", "Merchant").objects.values_list("pk", flat=True)
    setting.objects.bulk_create(
        [setting(merchant_id=pk, event="card_testing", is_enabled=True) for pk in merchants], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    dependencies = [("merchants", "0008_sessions_and_retention")]

    operations = [
        migrations.AlterField(
            model_name="eventnotification", name="event", field=models.CharField(choices=EVENTS, max_length=40)
        ),
        migrations.AlterField(
            model_name="notification", name="event", field=models.CharField(choices=EVENTS, max_length=40)
        ),
        migrations.RunPython(enable_for_everybody, migrations.RunPython.noop),
    ]
