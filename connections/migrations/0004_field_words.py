from django.db import migrations, models

import wisepay.clock


class Migration(migrations.Migration):

    dependencies = [
        ('connections', '0003_three_tiers'),
    ]

    operations = [
        migrations.RenameField(
            model_name='connection',
            old_name='draining_until',
            new_name='lease_until',
        ),
        migrations.RenameField(
            model_name='connection',
            old_name='is_doubted',
            new_name='token_was_refused',
        ),
        migrations.AlterField(
            model_name='authorisation',
            name='created_at',
            field=models.DateTimeField(default=wisepay.clock.now),
        ),
    ]
