"""Invoices are found by number, in whichever case it is typed, and by the amounts that they once were for."""

from django.db import migrations, models
from django.db.models.functions import Upper

# The mirror writes many rows in one statement, so that only the database sees what each was before.
CREATE = """
CREATE FUNCTION accounting_note_former_total() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.former_totals := OLD.former_totals || to_jsonb(OLD.total);
    IF jsonb_array_length(NEW.former_totals) > 10 THEN
        NEW.former_totals := NEW.former_totals - 0;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounting_former_total BEFORE UPDATE OF total ON accounting_ledgerinvoice
FOR EACH ROW WHEN (OLD.total IS DISTINCT FROM NEW.total) EXECUTE FUNCTION accounting_note_former_total();
"""
DROP = """
DROP TRIGGER accounting_former_total ON accounting_ledgerinvoice;
DROP FUNCTION accounting_note_former_total();
"""


class Migration(migrations.Migration):

    dependencies = [("accounting", "0021_agreed_payments")]

    operations = [
        migrations.AddField(
            model_name="ledgerinvoice",
            name="former_totals",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddIndex(
            model_name="ledgerinvoice",
            index=models.Index(models.F("merchant"), Upper("number"), name="invoice_by_number"),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
