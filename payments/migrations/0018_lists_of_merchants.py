import django.db.models.functions.comparison
from django.db import migrations, models

# The expressions are those of payments.payment_filters and payments.console.search, which PostgreSQL has to recognise.
INDEXES = {
    "attempt_names": (
        "payments_attempt USING gin (to_tsvector('simple'::regconfig, translate(\"payer_name\", '-_/.:@', '      '))) "
        "WITH (fastupdate = off)"
    ),
    "attempt_payer_email": 'payments_attempt (UPPER("payer_email"::text) text_pattern_ops, payment_id)',
    "payment_sent_to": "payments_payment (merchant_id, UPPER(\"details\" #>> '{billing,email}'))",
    "payment_of_order": "payments_payment (merchant_id, UPPER(\"details\" ->> 'purchase_order'))",
}


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0017_prepayments'),
    ]

    operations = [
        *(
            migrations.RunSQL(sql=f"CREATE INDEX {name} ON {of}", reverse_sql=f"DROP INDEX {name}")
            for name, of in INDEXES.items()
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['last4', 'payment'], name='attempt_last_four'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['method_kind', 'payment'], name='attempt_of_kind'),
        ),
        migrations.AddIndex(
            model_name='balancetransaction',
            index=models.Index(fields=['account', 'source_id'], name='balance_tx_of_source'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['merchant', '-id'], name='payment_newest'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['merchant', 'state', '-id'], name='payment_of_state'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['merchant', 'currency', '-id'], name='payment_of_currency'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(models.F('merchant'), models.OrderBy(django.db.models.functions.comparison.Coalesce('paid_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='payment_dated'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(models.F('merchant'), models.OrderBy(django.db.models.functions.comparison.Coalesce('paid_amount', 'amount'), descending=True), models.OrderBy(models.F('id'), descending=True), name='payment_sized'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(fields=['stripe_refund_id'], name='refund_at_gateway'),
        ),
    ]
