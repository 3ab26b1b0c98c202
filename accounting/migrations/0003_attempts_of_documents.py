"""Documents that were promised before attempts had their own: whose they are, their amount and their day."""

from zoneinfo import ZoneInfo

from django.db import migrations


def name_attempts(apps, schema_editor):
    """Every document so far belongs to the attempt that paid, with what was paid and the merchant's day of it."""
    for note in apps.get_model("accounting", "CreditNote").objects.filter(attempt=None).select_related("payment"):
        note.attempt = paying_attempt(note.payment)
        note.remaining = note.amount if note.state == "approved" else None
        note.save(update_fields=["attempt", "remaining"])
    documents = apps.get_model("accounting", "Posting").objects.exclude(payment=None).filter(amount=None)
    for posting in documents.select_related("payment__merchant"):
        payment = posting.payment
        posting.attempt = paying_attempt(payment)
        posting.amount = payment.paid_amount
        posting.on = payment.paid_at.astimezone(ZoneInfo(payment.merchant.time_zone)).date()
        posting.save(update_fields=["attempt", "amount", "on"])


def paying_attempt(payment):
    """The attempt that succeeded."""
    return payment.attempts.get(state="succeeded")


class Migration(migrations.Migration):

    dependencies = [("accounting", "0002_books_of_debits")]

    operations = [migrations.RunPython(name_attempts, migrations.RunPython.noop)]
