from django.db import migrations, models

import wisepay.clock


class Migration(migrations.Migration):

    dependencies = [
        ('wisepay', '0001_initial'),
    ]

    operations = [
        migrations.RenameField(
            model_name='auditentry',
            old_name='act',
            new_name='action',
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='outboxmessage',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
        migrations.AlterField(
            model_name='user',
            name='joined_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
    ]
