import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0004_automatic_events'),
        ('payers', '0003_payer_notifications'),
        ('payments', '0003_payer_searches'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Movement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stripe_id', models.CharField(max_length=255)),
                ('kind', models.CharField(choices=[('charge', 'Payment'), ('refund', 'Refund'), ('refund_failure', 'Refund that came back'), ('failure', 'Payment that came back'), ('dispute', 'Dispute'), ('dispute_reversal', 'Dispute won'), ('fee', 'Fee'), ('adjustment', 'Adjustment'), ('payout', 'Payout')], max_length=20)),
                ('amount', models.BigIntegerField()),
                ('fee', models.BigIntegerField(default=0)),
                ('currency', models.CharField(max_length=3)),
                ('paid_amount', models.BigIntegerField()),
                ('paid_currency', models.CharField(max_length=3)),
                ('source_id', models.CharField(blank=True, max_length=255)),
                ('intent_id', models.CharField(blank=True, max_length=255)),
                ('reference', models.CharField(blank=True, help_text='Ours, as the gateway gave it back.', max_length=60)),
                ('method_kind', models.CharField(blank=True, max_length=20)),
                ('description', models.CharField(blank=True, max_length=255)),
                ('happened_at', models.DateTimeField()),
                ('available_at', models.DateTimeField()),
                ('read_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='MovementCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stripe_account_id', models.CharField(blank=True, help_text='Whose lines these are.', max_length=60)),
                ('begins_at', models.DateTimeField(help_text='Nothing is known of before: the account was another one.', null=True)),
                ('known_until', models.DateTimeField(null=True)),
                ('asked_at', models.DateTimeField(null=True)),
                ('after', models.CharField(blank=True, max_length=255)),
                ('error', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name='Payout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stripe_payout_id', models.CharField(max_length=255)),
                ('amount', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('status', models.CharField(choices=[('on_its_way', 'On its way'), ('paid', 'Paid out'), ('failed', 'Failed')], max_length=12)),
                ('is_automatic', models.BooleanField(default=True)),
                ('arrives_on', models.DateField()),
                ('made_at', models.DateTimeField(help_text='When the gateway made it.')),
                ('lines_at', models.DateTimeField(help_text='When its lines were read to the end.', null=True)),
                ('read_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddField(
            model_name='attempt',
            name='is_off_session',
            field=models.BooleanField(default=False, help_text='The payer was not there.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='origin',
            field=models.CharField(choices=[('quote', 'Quote'), ('invoices', 'Invoices'), ('automatic', 'Automatic payment')], default='quote', max_length=10),
        ),
        migrations.AlterField(
            model_name='attempt',
            name='ip',
            field=models.GenericIPAddressField(help_text='None when nobody was there: an automatic payment.', null=True),
        ),
        migrations.AlterField(
            model_name='setup',
            name='ip',
            field=models.GenericIPAddressField(help_text='None when nobody was there: an automatic payment.', null=True),
        ),
        migrations.AddConstraint(
            model_name='attempt',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_off_session', True), ('saved_method__isnull', False)), ('ip__isnull', False), _connector='OR'), name='attempt_says_from_where'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('origin__in', ['quote', 'invoices', 'automatic'])), name='payment_origin'),
        ),
        migrations.AddField(
            model_name='movement',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='movements', to='payments.gatewayaccount'),
        ),
        migrations.AddField(
            model_name='movement',
            name='attempt',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='movements', to='payments.attempt'),
        ),
        migrations.AddField(
            model_name='movement',
            name='dispute',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='movements', to='payments.dispute'),
        ),
        migrations.AddField(
            model_name='movement',
            name='refund',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='movements', to='payments.refund'),
        ),
        migrations.AddField(
            model_name='movementcursor',
            name='account',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='movement_cursor', to='payments.gatewayaccount'),
        ),
        migrations.AddField(
            model_name='payout',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='payouts', to='payments.gatewayaccount'),
        ),
        migrations.AddField(
            model_name='movement',
            name='payout',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='lines', to='payments.payout'),
        ),
        migrations.AddIndex(
            model_name='payout',
            index=models.Index(fields=['account', '-made_at'], name='payout_of_account'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(fields=('account', 'stripe_payout_id'), name='one_row_per_payout'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['on_its_way', 'paid', 'failed'])), name='payout_status'),
        ),
        migrations.AddIndex(
            model_name='movement',
            index=models.Index(fields=['account', 'happened_at'], name='movement_of_account'),
        ),
        migrations.AddIndex(
            model_name='movement',
            index=models.Index(condition=models.Q(('attempt', None), models.Q(('kind__in', ['fee', 'adjustment', 'payout']), _negated=True)), fields=['account', 'intent_id'], name='movement_unlinked'),
        ),
        migrations.AddConstraint(
            model_name='movement',
            constraint=models.UniqueConstraint(fields=('account', 'stripe_id'), name='one_row_per_movement'),
        ),
        migrations.AddConstraint(
            model_name='movement',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['charge', 'refund', 'refund_failure', 'failure', 'dispute', 'dispute_reversal', 'fee', 'adjustment', 'payout'])), name='movement_kind'),
        ),
    ]
