"""Signs of life of the processes in the background."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wisepay", "0005_refused_email_addresses")]

    operations = [
        migrations.CreateModel(
            "Heartbeat",
            [
                ("name", models.CharField(max_length=160, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
