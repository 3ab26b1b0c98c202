import django.db.models.deletion
from django.db import migrations, models

import wisepay.clock


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_invoices_and_automatic_payments"),
    ]

    operations = [
        migrations.RenameModel("Movement", "BalanceTransaction"),
        migrations.RenameModel("MovementCursor", "BalanceTransactionCursor"),
        migrations.RenameField("BalanceTransactionCursor", "asked_at", "read_started_at"),
        migrations.RemoveConstraint(
            model_name='balancetransaction',
            name='one_row_per_movement',
        ),
        migrations.RemoveConstraint(
            model_name='balancetransaction',
            name='movement_kind',
        ),
        migrations.RemoveIndex(
            model_name='payout',
            name='payout_of_account',
        ),
        migrations.RenameField(
            model_name='payout',
            old_name='made_at',
            new_name='created_at',
        ),
        migrations.RenameField(
            model_name='payout',
            old_name='lines_at',
            new_name='transactions_read_at',
        ),
        migrations.RenameIndex(
            model_name='balancetransaction',
            new_name='balance_tx_of_account',
            old_name='movement_of_account',
        ),
        migrations.RenameIndex(
            model_name='balancetransaction',
            new_name='balance_tx_unlinked',
            old_name='movement_unlinked',
        ),
        migrations.AlterField(
            model_name='balancetransaction',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='balance_transactions', to='payments.gatewayaccount'),
        ),
        migrations.AlterField(
            model_name='balancetransaction',
            name='attempt',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='balance_transactions', to='payments.attempt'),
        ),
        migrations.AlterField(
            model_name='balancetransaction',
            name='dispute',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='balance_transactions', to='payments.dispute'),
        ),
        migrations.AlterField(
            model_name='balancetransaction',
            name='payout',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='balance_transactions', to='payments.payout'),
        ),
        migrations.AlterField(
            model_name='balancetransaction',
            name='refund',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='balance_transactions', to='payments.refund'),
        ),
        migrations.AlterField(
            model_name='balancetransactioncursor',
            name='account',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='balance_transaction_cursor', to='payments.gatewayaccount'),
        ),
        migrations.AddConstraint(
            model_name='balancetransaction',
            constraint=models.UniqueConstraint(fields=('account', 'stripe_id'), name='one_row_per_balance_transaction'),
        ),
        migrations.AddConstraint(
            model_name='balancetransaction',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['charge', 'refund', 'refund_failure', 'failure', 'dispute', 'dispute_reversal', 'fee', 'adjustment', 'payout'])), name='balance_transaction_kind'),
        ),
        migrations.AddIndex(
            model_name='payout',
            index=models.Index(fields=['account', '-created_at'], name='payout_of_account'),
        ),
        migrations.AlterField(
            model_name='attempt',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='balancetransaction',
            name='read_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='dispute',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='gatewayaccount',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='payment',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='payout',
            name='read_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='refund',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='savedmethod',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='setup',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
    ]
