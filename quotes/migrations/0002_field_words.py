from django.db import migrations, models

import wisepay.clock


class Migration(migrations.Migration):

    dependencies = [
        ('quotes', '0001_initial'),
    ]

    operations = [
        migrations.RenameField(
            model_name='cpqintegration',
            old_name='key_made_at',
            new_name='key_created_at',
        ),
        migrations.RenameField(
            model_name='quote',
            old_name='told_status',
            new_name='notified_status',
        ),
        migrations.AlterField(
            model_name='quote',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
    ]
