import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import wisepay.clock


def rename_subjects(apps, schema_editor):
    """State changes name their rows by model; the history of manual tasks stays theirs."""
    StateChange = apps.get_model("wisepay", "StateChange")
    StateChange.objects.filter(subject="accounting.handtask").update(subject="accounting.manualtask")


def restore_subjects(apps, schema_editor):
    """The same, backwards."""
    StateChange = apps.get_model("wisepay", "StateChange")
    StateChange.objects.filter(subject="accounting.manualtask").update(subject="accounting.handtask")


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0008_where_postings_went"),
        ("wisepay", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(rename_subjects, restore_subjects),
        migrations.RenameModel("HandTask", "ManualTask"),
        migrations.RenameModel("Share", "PaymentAllocation"),
        migrations.RenameModel("HeardChange", "PendingChange"),
        migrations.RenameModel("MoneyCursor", "LedgerPaymentCursor"),
        migrations.RenameField("Posting", "share", "payment_allocation"),
        migrations.RenameField("PendingChange", "heard_at", "notified_at"),
        migrations.RenameField("LedgerPaymentCursor", "asked_at", "read_started_at"),
        migrations.RenameField("LedgerPaymentCursor", "whole_at", "fully_read_at"),
        migrations.RemoveConstraint(
            model_name='acknowledgement',
            name='one_word_per_difference',
        ),
        migrations.RemoveConstraint(
            model_name='acknowledgement',
            name='taken_back_by_somebody',
        ),
        migrations.RemoveConstraint(
            model_name='creditsettings',
            name='credit_threshold_leaves_doubt_to_people',
        ),
        migrations.RemoveConstraint(
            model_name='ledgerpaymentcursor',
            name='one_money_cursor_per_organisation',
        ),
        migrations.RemoveConstraint(
            model_name='manualtask',
            name='hand_task_state',
        ),
        migrations.RemoveConstraint(
            model_name='paymentallocation',
            name='one_share_per_invoice',
        ),
        migrations.RemoveConstraint(
            model_name='paymentallocation',
            name='share_amount_positive',
        ),
        migrations.RemoveConstraint(
            model_name='paymentallocation',
            name='share_outcome',
        ),
        migrations.RemoveConstraint(
            model_name='pendingchange',
            name='one_row_per_heard_change',
        ),
        migrations.RemoveConstraint(
            model_name='posting',
            name='invoice_payments_have_share',
        ),
        migrations.RemoveIndex(
            model_name='acknowledgement',
            name='acknowledged_about',
        ),
        migrations.RemoveConstraint(
            model_name='acknowledgement',
            name='acknowledged_for_a_reason',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='said_at',
            new_name='acknowledged_at',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='said_by',
            new_name='acknowledged_by',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='mark',
            new_name='content_hash',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='about',
            new_name='identity_hash',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='because',
            new_name='reason',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='taken_back_at',
            new_name='retracted_at',
        ),
        migrations.RenameField(
            model_name='acknowledgement',
            old_name='taken_back_by',
            new_name='retracted_by',
        ),
        migrations.RenameField(
            model_name='autopaymapping',
            old_name='made_by',
            new_name='created_by',
        ),
        migrations.RenameField(
            model_name='mirrorcursor',
            old_name='quiet',
            new_name='empty_polls',
        ),
        migrations.RenameField(
            model_name='mirrorcursor',
            old_name='reading_until',
            new_name='lease_until',
        ),
        migrations.RenameField(
            model_name='mirrorcursor',
            old_name='heard_at',
            new_name='notified_at',
        ),
        migrations.RenameField(
            model_name='scheduledpayment',
            old_name='first_asked_at',
            new_name='first_presented_at',
        ),
        migrations.RenameIndex(
            model_name='manualtask',
            new_name='manual_task_open',
            old_name='hand_task_open',
        ),
        migrations.RenameIndex(
            model_name='pendingchange',
            new_name='pending_change_unread',
            old_name='heard_unread',
        ),
        migrations.RenameIndex(
            model_name='pendingchange',
            new_name='pending_change_read',
            old_name='heard_read',
        ),
        migrations.AlterField(
            model_name='ledgerpayment',
            name='posting',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ledger_payment', to='accounting.posting'),
        ),
        migrations.AlterField(
            model_name='ledgerpaymentcursor',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ledger_payment_cursors', to='merchants.merchant'),
        ),
        migrations.AlterField(
            model_name='manualtask',
            name='company',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='manual_tasks', to='payers.payercompany'),
        ),
        migrations.AlterField(
            model_name='manualtask',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='manual_tasks', to='merchants.merchant'),
        ),
        migrations.AlterField(
            model_name='manualtask',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='manual_tasks', to='payments.payment'),
        ),
        migrations.AlterField(
            model_name='manualtask',
            name='posting',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='manual_tasks', to='accounting.posting'),
        ),
        migrations.AlterField(
            model_name='paymentallocation',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='accounting.ledgerinvoice'),
        ),
        migrations.AlterField(
            model_name='paymentallocation',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='payments.payment'),
        ),
        migrations.AddIndex(
            model_name='acknowledgement',
            index=models.Index(condition=models.Q(('retracted_at', None)), fields=['merchant', 'identity_hash'], name='acknowledged_identity'),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.UniqueConstraint(condition=models.Q(('retracted_at', None)), fields=('merchant', 'content_hash'), name='one_acknowledgement_per_difference'),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('retracted_at', None), ('retracted_by', None)), models.Q(('retracted_at__isnull', False), ('retracted_by__isnull', False)), _connector='OR'), name='retracted_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='creditsettings',
            constraint=models.CheckConstraint(condition=models.Q(('threshold', None), models.Q(('threshold__gte', 50), ('threshold__lte', 100)), _connector='OR'), name='credit_threshold_range'),
        ),
        migrations.AddConstraint(
            model_name='ledgerpaymentcursor',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id'), name='one_payment_cursor_per_org'),
        ),
        migrations.AddConstraint(
            model_name='manualtask',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['done', 'open'])), name='manual_task_state'),
        ),
        migrations.AddConstraint(
            model_name='paymentallocation',
            constraint=models.UniqueConstraint(fields=('payment', 'invoice'), name='one_allocation_per_invoice'),
        ),
        migrations.AddConstraint(
            model_name='paymentallocation',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='allocation_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='paymentallocation',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'credit', 'by_hand'])), name='allocation_outcome'),
        ),
        migrations.AddConstraint(
            model_name='pendingchange',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'kind', 'ledger_id'), name='one_row_per_pending_change'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['invoice_payment', 'invoice_payment_removal']), ('payment_allocation__isnull', False)), models.Q(models.Q(('kind__in', ['invoice_payment', 'invoice_payment_removal']), _negated=True), ('payment_allocation', None)), _connector='OR'), name='invoice_payments_have_allocation'),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='acknowledged_for_a_reason'),
        ),
        migrations.AlterField(
            model_name='autopaymapping',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='billingterm',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='creditmatch',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='creditnote',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='download',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='ledgerapplication',
            name='read_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='ledgercredit',
            name='read_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='ledgerinvoice',
            name='read_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='ledgerpayment',
            name='read_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='manualtask',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='mirrorcursor',
            name='due_at',
            field=models.DateTimeField(default=wisepay.clock.now, help_text='When it is looked at again without a reason.'),
        ),
        migrations.AlterField(
            model_name='paymentallocation',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='paymentsync',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='posting',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='scheduledpayment',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
    ]
