from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0018_lists_of_merchants'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('state', 'failed'), ('submitted_at__isnull', False)), fields=['payment'], name='attempt_returned'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('refunded_amount__gt', 0)), fields=['merchant', '-id'], name='payment_given_back'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['merchant', 'expires_at'], name='payment_open_until'),
        ),
    ]
