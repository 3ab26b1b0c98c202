import datetime
import django.db.models.functions.comparison
from django.db import migrations, models

# As Django compares without regard to case, for whole texts and their beginnings.
BY_NUMBER = 'CREATE INDEX invoice_by_number ON accounting_ledgerinvoice (merchant_id, UPPER("number"::text){ops})'
INDEXES = {
    "invoice_by_remark": 'accounting_ledgerinvoice (merchant_id, UPPER("remark"::text) text_pattern_ops)',
    "posting_by_number": 'accounting_posting (merchant_id, "number" text_pattern_ops)',
}


class Migration(migrations.Migration):

    dependencies = [
        ('accounting', '0022_invoices_by_number'),
    ]

    operations = [
        # What finds whole numbers finds their beginnings as well then.
        migrations.RunSQL(
            sql=["DROP INDEX invoice_by_number", BY_NUMBER.format(ops=" text_pattern_ops")],
            reverse_sql=["DROP INDEX invoice_by_number", BY_NUMBER.format(ops="")],
        ),
        *(
            migrations.RunSQL(sql=f"CREATE INDEX {name} ON {of}", reverse_sql=f"DROP INDEX {name}")
            for name, of in INDEXES.items()
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(fields=['merchant', '-id'], name='invoice_newest'),
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(fields=['merchant', 'status', '-id'], name='invoice_of_status'),
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(fields=['merchant', 'total', 'id'], name='invoice_sized'),
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(models.F('merchant'), django.db.models.functions.comparison.Coalesce('due_on', models.Value(datetime.date(9999, 1, 1), models.DateField())), models.F('id'), name='invoice_due'),
        ),
        migrations.AddIndex(
            model_name='posting',
            index=models.Index(fields=['merchant', '-id'], name='posting_newest'),
        ),
        migrations.AddIndex(
            model_name='scheduledpayment',
            index=models.Index(fields=['merchant', 'run_at', 'id'], name='scheduled_by_day'),
        ),
    ]
