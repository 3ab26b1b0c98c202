from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce


NOTES = ("credit_note", "draft_note")


def remember(apps, schema_editor):
    """Documents went where the mirror holds them, else to the organisation that the company is a contact of."""
    models_of = {name: apps.get_model("accounting", name) for name in ("Posting", "LedgerInvoice", "LedgerCredit")}
    Posting = models_of["Posting"]
    companies = apps.get_model("payers", "PayerCompany").objects.filter(pk=OuterRef("company"))
    went = Posting.objects.filter(state__in=["sent", "posted"])
    went.update(sent_to=Subquery(companies.values("organisation_id")))
    for mirror, kinds in (("LedgerInvoice", ["invoice"]), ("LedgerCredit", NOTES)):
        same = {name: OuterRef(name) for name in ("merchant", "ledger_id", "number")}
        seen = models_of[mirror].objects.filter(**same).values("organisation_id")[:1]
        went.filter(kind__in=kinds).update(sent_to=Coalesce(Subquery(seen), F("sent_to")))
    papers = Posting.objects.filter(payment=OuterRef("payment"), kind__in=["invoice", *NOTES]).exclude(sent_to="")
    found = Coalesce(Subquery(papers.order_by("pk").values("sent_to")[:1]), F("sent_to"))
    went.filter(payment__isnull=False).exclude(kind__in=["invoice", *NOTES]).update(sent_to=found)
    made = papers.filter(attempt=OuterRef("attempt"), kind__in=NOTES).order_by("-pk").values("sent_to")[:1]
    notes = apps.get_model("accounting", "CreditNote").objects.exclude(ledger_id="")
    notes.update(organisation_id=Coalesce(Subquery(made), Value("")))
    for posting in went.filter(kind="contact").select_related("company").order_by("pk").iterator():
        posting.company.refresh_from_db()
        posting.company.contacts.setdefault(posting.organisation_id, posting.ledger_id)
        posting.company.save(update_fields=["contacts"])
        Posting.objects.filter(pk=posting.pk).update(sent_to=posting.organisation_id)


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0007_invoices_and_automatic_payments"),
        ("payers", "0004_contacts_by_organisation"),
    ]

    operations = [
        migrations.AddField(
            model_name="posting",
            name="sent_to",
            field=models.CharField(blank=True, help_text="The organisation that it last went to.", max_length=60),
        ),
        migrations.AddField(
            model_name="creditnote",
            name="organisation_id",
            field=models.CharField(blank=True, help_text="In whose books it is, once it is.", max_length=60),
        ),
        migrations.RunPython(remember, migrations.RunPython.noop),
    ]
