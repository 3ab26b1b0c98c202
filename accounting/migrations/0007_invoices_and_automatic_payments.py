import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import wisepay.addresses
from django.conf import settings
from django.db import migrations, models


def rename_step(apps, schema_editor):
    """The last kind that a download reads has the mirror's name."""
    apps.get_model("accounting", "Download").objects.filter(step="credit_notes").update(step="credits")


class Migration(migrations.Migration):

    dependencies = [
        ('accounting', '0006_items_and_numbers'),
        ('merchants', '0004_automatic_events'),
        ('payers', '0003_payer_notifications'),
        ('payments', '0003_payer_searches'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Acknowledgement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('mark', models.CharField(max_length=64)),
                ('about', models.CharField(max_length=64)),
                ('kind', models.CharField(max_length=30)),
                ('subject', models.CharField(blank=True, max_length=255)),
                ('sentence', models.TextField()),
                ('amount', models.BigIntegerField()),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('on', models.DateField(help_text='The day that the difference falls on.')),
                ('because', models.CharField(max_length=300)),
                ('said_at', models.DateTimeField()),
                ('taken_back_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='AutoPayLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3)),
                ('minimum', models.BigIntegerField(null=True)),
                ('maximum', models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='AutoPayMapping',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('state_at', models.DateTimeField()),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('origin', models.CharField(choices=[('merchant', 'Merchant'), ('payer', 'Payer'), ('quote', 'Quote')], max_length=10)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='AutoPaySettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_enabled', models.BooleanField(default=False)),
                ('processing_delay_hours', models.PositiveSmallIntegerField(default=0, help_text='Before a real-time card charge.')),
                ('maximum_retries', models.PositiveSmallIntegerField(default=3)),
                ('schedules_past_due', models.BooleanField(default=False)),
                ('maximum_days_past_due', models.PositiveSmallIntegerField(default=30)),
                ('from_quotes', models.CharField(choices=[('never', 'Never'), ('propose', 'Propose it to me'), ('make', 'Make it at once')], default='propose', max_length=10)),
            ],
        ),
        migrations.CreateModel(
            name='BillingTerm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('processing', models.CharField(choices=[('scheduled', 'Scheduled'), ('real_time', 'Real time')], default='scheduled', max_length=10)),
                ('mode', models.CharField(choices=[('due_date', 'Invoice due date'), ('days_after', 'Number of days after invoice date'), ('day_of_month', 'Day of the month')], default='due_date', max_length=12)),
                ('days', models.PositiveSmallIntegerField(default=0, help_text='Scheduling period in days, or the day of the month.')),
                ('keyword', models.CharField(blank=True, help_text='A reference that says it is under this term.', max_length=40)),
                ('takes_cards', models.BooleanField(default=True)),
                ('takes_debits', models.BooleanField(default=True)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='CreditMatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('state_at', models.DateTimeField()),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('amount', models.BigIntegerField()),
                ('confidence', models.PositiveSmallIntegerField(help_text='0 to 100.')),
                ('reasons', models.JSONField(default=list, help_text='Sentences.')),
                ('synced_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name_plural': 'credit matches',
            },
        ),
        migrations.CreateModel(
            name='CreditSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('threshold', models.PositiveSmallIntegerField(default=80, null=True, validators=[django.core.validators.MinValueValidator(50), django.core.validators.MaxValueValidator(100)])),
            ],
            options={
                'verbose_name_plural': 'credit settings',
            },
        ),
        migrations.CreateModel(
            name='HeardChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organisation_id', models.CharField(max_length=60)),
                ('kind', models.CharField(max_length=20)),
                ('ledger_id', models.CharField(max_length=60)),
                ('event_at', models.DateTimeField()),
                ('heard_at', models.DateTimeField()),
                ('read_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerApplication',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organisation_id', models.CharField(max_length=60)),
                ('kind', models.CharField(choices=[('payment', 'Payment'), ('credit', 'Credit')], max_length=10)),
                ('ledger_id', models.CharField(max_length=80)),
                ('source_id', models.CharField(max_length=60)),
                ('remark', models.CharField(blank=True, max_length=255)),
                ('amount', models.BigIntegerField()),
                ('on', models.DateField()),
                ('read_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerCredit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('organisation_id', models.CharField(max_length=60)),
                ('ledger_id', models.CharField(max_length=60)),
                ('number', models.CharField(blank=True, max_length=255)),
                ('remark', models.CharField(blank=True, help_text="The document's reference, as the books have it.", max_length=255)),
                ('contact_id', models.CharField(max_length=60)),
                ('currency', models.CharField(max_length=3)),
                ('total', models.BigIntegerField()),
                ('issued_on', models.DateField(null=True)),
                ('changed_at', models.DateTimeField(help_text='When it last changed, as the books say.')),
                ('read_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('open', 'Open'), ('used', 'Used up'), ('voided', 'Voided'), ('deleted', 'Deleted')], max_length=10)),
                ('remaining', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='LedgerInvoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('organisation_id', models.CharField(max_length=60)),
                ('ledger_id', models.CharField(max_length=60)),
                ('number', models.CharField(blank=True, max_length=255)),
                ('remark', models.CharField(blank=True, help_text="The document's reference, as the books have it.", max_length=255)),
                ('contact_id', models.CharField(max_length=60)),
                ('currency', models.CharField(max_length=3)),
                ('total', models.BigIntegerField()),
                ('issued_on', models.DateField(null=True)),
                ('changed_at', models.DateTimeField(help_text='When it last changed, as the books say.')),
                ('read_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('open', 'Outstanding'), ('paid', 'Paid'), ('voided', 'Voided'), ('deleted', 'Deleted')], max_length=10)),
                ('due', models.BigIntegerField()),
                ('due_on', models.DateField(null=True)),
                ('term_id', models.CharField(blank=True, help_text='Branding theme or terms, as the books have it.', max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerPayment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organisation_id', models.CharField(max_length=60)),
                ('ledger_id', models.CharField(max_length=60)),
                ('is_received', models.BooleanField(help_text='Money that came in; else it went out of a credit note.')),
                ('is_standing', models.BooleanField(help_text='Nobody took it back.')),
                ('amount', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('on', models.DateField()),
                ('account', models.CharField(blank=True, help_text='The code of the account that it went through.', max_length=20)),
                ('remark', models.CharField(blank=True, help_text="The payment's reference, as the books have it.", max_length=255)),
                ('document_id', models.CharField(blank=True, max_length=60)),
                ('document_number', models.CharField(blank=True, max_length=255)),
                ('read_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerTerm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organisation_id', models.CharField(max_length=60)),
                ('term_id', models.CharField(max_length=60)),
                ('name', models.CharField(max_length=120)),
                ('read_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='MirrorCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organisation_id', models.CharField(max_length=60)),
                ('kind', models.CharField(max_length=20)),
                ('since', models.DateTimeField(null=True)),
                ('asked_at', models.DateTimeField(null=True)),
                ('page', models.PositiveIntegerField(default=0, help_text='Pages of the reading under way that are kept.')),
                ('pages', models.PositiveIntegerField(null=True)),
                ('changed', models.PositiveIntegerField(default=0, help_text='Documents that the reading under way found changed.')),
                ('polled_at', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When it is looked at again without a reason.')),
                ('quiet', models.PositiveIntegerField(default=0, help_text='Looks in a row that found nothing.')),
                ('heard_at', models.DateTimeField(null=True)),
                ('reading_until', models.DateTimeField(help_text='A worker is reading it until then.', null=True)),
                ('error', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name='MoneyCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organisation_id', models.CharField(max_length=60)),
                ('begins_at', models.DateTimeField()),
                ('known_until', models.DateTimeField(null=True)),
                ('asked_at', models.DateTimeField(null=True)),
                ('page', models.PositiveIntegerField(default=0)),
                ('whole_at', models.DateTimeField(null=True)),
                ('error', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name='PaymentSync',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('state_at', models.DateTimeField()),
                ('organisation_id', models.CharField(blank=True, max_length=60)),
                ('since', models.DateTimeField()),
                ('payments', models.PositiveIntegerField(default=0)),
                ('credits', models.PositiveIntegerField(default=0)),
                ('invoices', models.PositiveIntegerField(default=0, help_text='Invoices that are paid in full by them.')),
                ('cancelled', models.PositiveIntegerField(default=0)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='ScheduledPayment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=20)),
                ('state_at', models.DateTimeField()),
                ('reference', models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ('amount', models.BigIntegerField()),
                ('run_at', models.DateTimeField()),
                ('tries', models.PositiveSmallIntegerField(default=0, help_text='Charges asked for with the present method.')),
                ('presentations', models.PositiveSmallIntegerField(default=0, help_text='Times a bank was asked for this debit.')),
                ('first_asked_at', models.DateTimeField(help_text='When a bank was first asked for this debit.', null=True)),
                ('reason', models.CharField(blank=True, help_text='Why it is held, failed or cancelled.', max_length=300)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('resolution', models.CharField(blank=True, help_text='How the failure was settled.', max_length=300)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Share',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount', models.BigIntegerField()),
                ('warning', models.CharField(blank=True, max_length=300)),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('', 'Put to the invoice'), ('credit', 'Left as credit'), ('by_hand', 'Booked by hand')], default='', max_length=10)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='UnmatchedInvoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(choices=[('unmatched', 'No mapping'), ('method', 'No method can pay it'), ('currency', 'Currency'), ('below_minimum', 'Below the minimum'), ('above_maximum', 'Above the maximum'), ('past_due', 'Past due'), ('no_date', 'No date')], max_length=20)),
                ('reason', models.CharField(max_length=300)),
                ('noted_at', models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='posting',
            name='posting_kind',
        ),
        migrations.AddField(
            model_name='accountingsettings',
            name='warning',
            field=models.CharField(blank=True, help_text="What in the books' own settings has to change.", max_length=400),
        ),
        migrations.AddField(
            model_name='download',
            name='invoices',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='ledgercontact',
            name='changed_at',
            field=models.DateTimeField(help_text='When it last changed, as the books say.', null=True),
        ),
        migrations.AlterField(
            model_name='download',
            name='step',
            field=models.CharField(choices=[('contacts', 'Contacts'), ('invoices', 'Invoices'), ('credits', 'Credit notes')], default='contacts', max_length=20),
        ),
        migrations.AlterField(
            model_name='handtask',
            name='kind',
            field=models.CharField(choices=[('contact', 'Contact'), ('invoice', 'PF invoice'), ('invoice_change', 'PF invoice, new amount'), ('draft_note', 'PF_CR credit note, draft'), ('credit_note', 'PF_CR credit note'), ('approval', 'PF_CR credit note, approval'), ('removal', 'PF_CR draft, removal'), ('payment', 'Payment to clearing'), ('payment_removal', 'Payment to clearing, removal'), ('refund', 'Refund of the PF_CR credit'), ('refund_removal', 'Refund of the PF_CR credit, removal'), ('void', 'PF_CR credit note, void'), ('invoice_payment', 'Payment of an invoice'), ('invoice_payment_removal', 'Payment of an invoice, removal'), ('allocation', 'PF_CR credit, applied to an invoice'), ('allocation_removal', 'PF_CR credit, taken off an invoice')], help_text='The posting that cannot go on.', max_length=30),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('contact', 'Contact'), ('invoice', 'PF invoice'), ('invoice_change', 'PF invoice, new amount'), ('draft_note', 'PF_CR credit note, draft'), ('credit_note', 'PF_CR credit note'), ('approval', 'PF_CR credit note, approval'), ('removal', 'PF_CR draft, removal'), ('payment', 'Payment to clearing'), ('payment_removal', 'Payment to clearing, removal'), ('refund', 'Refund of the PF_CR credit'), ('refund_removal', 'Refund of the PF_CR credit, removal'), ('void', 'PF_CR credit note, void'), ('invoice_payment', 'Payment of an invoice'), ('invoice_payment_removal', 'Payment of an invoice, removal'), ('allocation', 'PF_CR credit, applied to an invoice'), ('allocation_removal', 'PF_CR credit, taken off an invoice')], max_length=30),
        ),
        migrations.AddField(
            model_name='acknowledgement',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acknowledgements', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='acknowledgement',
            name='said_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='acknowledgement',
            name='taken_back_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='autopaylimit',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='autopay_limits', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='acceptance',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payers.termsacceptance'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='company',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='autopay_mappings', to='payers.payercompany'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='made_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='autopay_mappings', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='primary_method',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.savedmethod'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='quote_payment',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='autopay_mappings', to='payments.payment'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='secondary_method',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.savedmethod'),
        ),
        migrations.AddField(
            model_name='autopaysettings',
            name='merchant',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='autopay_settings', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='billingterm',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='billing_terms', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='autopaymapping',
            name='term',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='mappings', to='accounting.billingterm'),
        ),
        migrations.AddField(
            model_name='creditmatch',
            name='decided_by',
            field=models.ForeignKey(help_text='Nobody: it was sure enough.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='creditmatch',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='credit_matches', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='creditmatch',
            name='note',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='accounting.creditnote'),
        ),
        migrations.AddField(
            model_name='posting',
            name='match',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='postings', to='accounting.creditmatch'),
        ),
        migrations.AddField(
            model_name='creditsettings',
            name='merchant',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='credit_settings', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='heardchange',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='ledgerapplication',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='ledgercredit',
            name='company',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='%(class)ss', to='payers.payercompany'),
        ),
        migrations.AddField(
            model_name='ledgercredit',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='ledgerinvoice',
            name='company',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='%(class)ss', to='payers.payercompany'),
        ),
        migrations.AddField(
            model_name='ledgerinvoice',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='ledgerapplication',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='applications', to='accounting.ledgerinvoice'),
        ),
        migrations.AddField(
            model_name='creditmatch',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='accounting.ledgerinvoice'),
        ),
        migrations.AddField(
            model_name='ledgerpayment',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ledger_payments', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='ledgerpayment',
            name='posting',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='paper', to='accounting.posting'),
        ),
        migrations.AddField(
            model_name='ledgerterm',
            name='billing_term',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ledger_terms', to='accounting.billingterm'),
        ),
        migrations.AddField(
            model_name='ledgerterm',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ledger_terms', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='mirrorcursor',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mirror_cursors', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='moneycursor',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='money_cursors', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='paymentsync',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='payment_syncs', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='paymentsync',
            name='requested_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='company',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scheduled_payments', to='payers.payercompany'),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='confirmed_by',
            field=models.ForeignKey(help_text='Charge it, whatever else may pay it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='scheduled_payments', to='accounting.ledgerinvoice'),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='mapping',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='scheduled_payments', to='accounting.autopaymapping'),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scheduled_payments', to='merchants.merchant'),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='method',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.savedmethod'),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='payment',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='scheduled_payment', to='payments.payment'),
        ),
        migrations.AddField(
            model_name='scheduledpayment',
            name='resolved_by',
            field=models.ForeignKey(help_text='Cancelled it, or settled the failure.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='share',
            name='confirmed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='share',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='accounting.ledgerinvoice'),
        ),
        migrations.AddField(
            model_name='share',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='payments.payment'),
        ),
        migrations.AddField(
            model_name='posting',
            name='share',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='postings', to='accounting.share'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['contact', 'invoice', 'invoice_change', 'draft_note', 'credit_note', 'approval', 'removal', 'payment', 'payment_removal', 'refund', 'refund_removal', 'void', 'invoice_payment', 'invoice_payment_removal', 'allocation', 'allocation_removal'])), name='posting_kind'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['invoice_payment', 'invoice_payment_removal']), ('share__isnull', False)), models.Q(models.Q(('kind__in', ['invoice_payment', 'invoice_payment_removal']), _negated=True), ('share', None)), _connector='OR'), name='invoice_payments_have_share'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['allocation', 'allocation_removal']), ('match__isnull', False)), models.Q(models.Q(('kind__in', ['allocation', 'allocation_removal']), _negated=True), ('match', None)), _connector='OR'), name='allocations_have_match'),
        ),
        migrations.AddField(
            model_name='unmatchedinvoice',
            name='invoice',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='unmatched', to='accounting.ledgerinvoice'),
        ),
        migrations.AddField(
            model_name='unmatchedinvoice',
            name='merchant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unmatched_invoices', to='merchants.merchant'),
        ),
        migrations.AddIndex(
            model_name='acknowledgement',
            index=models.Index(condition=models.Q(('taken_back_at', None)), fields=['merchant', 'about'], name='acknowledged_about'),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.UniqueConstraint(condition=models.Q(('taken_back_at', None)), fields=('merchant', 'mark'), name='one_word_per_difference'),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.CheckConstraint(condition=models.Q(('because', ''), _negated=True), name='acknowledged_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('taken_back_at', None), ('taken_back_by', None)), models.Q(('taken_back_at__isnull', False), ('taken_back_by__isnull', False)), _connector='OR'), name='taken_back_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='autopaylimit',
            constraint=models.UniqueConstraint(fields=('merchant', 'currency'), name='one_autopay_limit_per_currency'),
        ),
        migrations.AddConstraint(
            model_name='autopaylimit',
            constraint=models.CheckConstraint(condition=models.Q(('minimum', None), ('maximum', None), ('minimum__lte', models.F('maximum')), _connector='OR'), name='autopay_minimum_below_maximum'),
        ),
        migrations.AddConstraint(
            model_name='billingterm',
            constraint=models.UniqueConstraint(condition=models.Q(('is_active', True)), fields=('merchant', 'name'), name='one_billing_term_per_name'),
        ),
        migrations.AddConstraint(
            model_name='billingterm',
            constraint=models.UniqueConstraint(models.F('merchant'), django.db.models.functions.text.Lower('keyword'), condition=models.Q(('is_active', True), models.Q(('keyword', ''), _negated=True)), name='one_billing_term_per_keyword'),
        ),
        migrations.AddConstraint(
            model_name='billingterm',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('mode', 'day_of_month'), _negated=True), models.Q(('days__gte', 1), ('days__lte', 31)), _connector='OR'), name='day_of_month_is_a_day'),
        ),
        migrations.AddConstraint(
            model_name='autopaymapping',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['active', 'ended', 'proposed'])), name='autopay_mapping_state'),
        ),
        migrations.AddConstraint(
            model_name='autopaymapping',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('company', 'term'), name='one_mapping_per_term'),
        ),
        migrations.AddConstraint(
            model_name='autopaymapping',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'active'), ('term', None)), fields=('company',), name='one_mapping_for_all_terms'),
        ),
        migrations.AddConstraint(
            model_name='autopaymapping',
            constraint=models.CheckConstraint(condition=models.Q(('secondary_method', None), models.Q(('secondary_method', models.F('primary_method')), _negated=True), _connector='OR'), name='secondary_method_is_another'),
        ),
        migrations.AddConstraint(
            model_name='autopaymapping',
            constraint=models.UniqueConstraint(condition=models.Q(('quote_payment__isnull', False)), fields=('quote_payment',), name='one_mapping_per_quote'),
        ),
        migrations.AddConstraint(
            model_name='creditsettings',
            constraint=models.CheckConstraint(condition=models.Q(('threshold', None), models.Q(('threshold__gte', 50), ('threshold__lte', 100)), _connector='OR'), name='credit_threshold_leaves_doubt_to_people'),
        ),
        migrations.AddIndex(
            model_name='heardchange',
            index=models.Index(condition=models.Q(('read_at', None)), fields=['merchant', 'kind', 'id'], name='heard_unread'),
        ),
        migrations.AddIndex(
            model_name='heardchange',
            index=models.Index(fields=['read_at'], name='heard_read'),
        ),
        migrations.AddConstraint(
            model_name='heardchange',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'kind', 'ledger_id'), name='one_row_per_heard_change'),
        ),
        migrations.AddIndex(
            model_name='ledgercredit',
            index=models.Index(condition=models.Q(('remaining__gt', 0), ('status', 'open')), fields=['company', 'id'], name='credit_left'),
        ),
        migrations.AddIndex(
            model_name='ledgercredit',
            index=models.Index(fields=['merchant', 'number'], name='credit_by_number'),
        ),
        migrations.AddIndex(
            model_name='ledgercredit',
            index=models.Index(fields=['merchant', 'organisation_id', 'contact_id'], name='credit_of_contact'),
        ),
        migrations.AddConstraint(
            model_name='ledgercredit',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'ledger_id'), name='one_row_per_ledger_credit'),
        ),
        migrations.AddConstraint(
            model_name='ledgercredit',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'open', 'used', 'voided', 'deleted'])), name='ledger_credit_status'),
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(condition=models.Q(('due__gt', 0), ('status', 'open')), fields=['company', 'due_on', 'id'], name='invoice_owed'),
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(fields=['merchant', 'organisation_id', 'contact_id'], name='invoice_of_contact'),
        ),
        migrations.AddIndex(
            model_name='ledgerinvoice',
            index=models.Index(fields=['merchant', '-changed_at'], name='invoice_changed'),
        ),
        migrations.AddConstraint(
            model_name='ledgerinvoice',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'ledger_id'), name='one_row_per_ledger_invoice'),
        ),
        migrations.AddConstraint(
            model_name='ledgerinvoice',
            constraint=models.CheckConstraint(condition=models.Q(('due__gte', 0)), name='ledger_invoice_due_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='ledgerinvoice',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'open', 'paid', 'voided', 'deleted'])), name='ledger_invoice_status'),
        ),
        migrations.AddIndex(
            model_name='ledgerapplication',
            index=models.Index(fields=['merchant', 'kind', 'source_id'], name='application_of_source'),
        ),
        migrations.AddConstraint(
            model_name='ledgerapplication',
            constraint=models.UniqueConstraint(fields=('invoice', 'kind', 'ledger_id'), name='one_row_per_application'),
        ),
        migrations.AddIndex(
            model_name='creditmatch',
            index=models.Index(condition=models.Q(('state', 'proposed')), fields=['merchant', 'id'], name='credit_match_proposed'),
        ),
        migrations.AddIndex(
            model_name='creditmatch',
            index=models.Index(fields=['merchant', 'state', '-state_at'], name='credit_match_of_merchant'),
        ),
        migrations.AddConstraint(
            model_name='creditmatch',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['applied', 'dismissed', 'proposed', 'undoing', 'undone', 'wanted', 'withdrawn'])), name='credit_match_state'),
        ),
        migrations.AddConstraint(
            model_name='creditmatch',
            constraint=models.UniqueConstraint(fields=('note', 'invoice'), name='one_match_per_note_and_invoice'),
        ),
        migrations.AddConstraint(
            model_name='creditmatch',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='match_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='creditmatch',
            constraint=models.CheckConstraint(condition=models.Q(('confidence__lte', 100)), name='match_confidence_in_percent'),
        ),
        migrations.AddIndex(
            model_name='ledgerpayment',
            index=models.Index(fields=['merchant', 'on'], name='ledger_payment_on'),
        ),
        migrations.AddIndex(
            model_name='ledgerpayment',
            index=models.Index(fields=['merchant', 'document_id'], name='ledger_payment_of'),
        ),
        migrations.AddConstraint(
            model_name='ledgerpayment',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'ledger_id'), name='one_row_per_ledger_payment'),
        ),
        migrations.AddConstraint(
            model_name='ledgerterm',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'term_id'), name='one_row_per_ledger_term'),
        ),
        migrations.AddIndex(
            model_name='mirrorcursor',
            index=models.Index(fields=['due_at'], name='mirror_cursor_due'),
        ),
        migrations.AddConstraint(
            model_name='mirrorcursor',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id', 'kind'), name='one_cursor_per_kind'),
        ),
        migrations.AddConstraint(
            model_name='moneycursor',
            constraint=models.UniqueConstraint(fields=('merchant', 'organisation_id'), name='one_money_cursor_per_organisation'),
        ),
        migrations.AddIndex(
            model_name='paymentsync',
            index=models.Index(fields=['merchant', '-id'], name='payment_sync_of_merchant'),
        ),
        migrations.AddConstraint(
            model_name='paymentsync',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['failed', 'finished', 'running'])), name='payment_sync_state'),
        ),
        migrations.AddConstraint(
            model_name='paymentsync',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'running')), fields=('merchant',), name='one_running_payment_sync'),
        ),
        migrations.AddIndex(
            model_name='scheduledpayment',
            index=models.Index(condition=models.Q(('state', 'scheduled')), fields=['run_at'], name='scheduled_payment_due'),
        ),
        migrations.AddIndex(
            model_name='scheduledpayment',
            index=models.Index(fields=['merchant', 'state', '-id'], name='scheduled_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='scheduledpayment',
            index=models.Index(condition=models.Q(('state__in', ('scheduled', 'pending', 'held'))), fields=['company', 'run_at'], name='scheduled_live'),
        ),
        migrations.AddConstraint(
            model_name='scheduledpayment',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['cancelled', 'failed', 'held', 'pending', 'scheduled', 'settled'])), name='scheduled_payment_state'),
        ),
        migrations.AddConstraint(
            model_name='scheduledpayment',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ('scheduled', 'pending', 'held'))), fields=('invoice',), name='one_live_schedule_per_invoice'),
        ),
        migrations.AddConstraint(
            model_name='scheduledpayment',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='scheduled_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='scheduledpayment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['pending', 'settled']), _negated=True), ('payment__isnull', False), _connector='OR'), name='charged_has_payment'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.UniqueConstraint(fields=('payment', 'invoice'), name='one_share_per_invoice'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='share_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'credit', 'by_hand'])), name='share_outcome'),
        ),
        migrations.AddIndex(
            model_name='unmatchedinvoice',
            index=models.Index(fields=['merchant', '-noted_at'], name='unmatched_of_merchant'),
        ),
        migrations.RunPython(rename_step, migrations.RunPython.noop),
    ]
