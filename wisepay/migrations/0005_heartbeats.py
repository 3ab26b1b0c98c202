"""Signs of life of the processes in the background."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wisepay", "0004_page_findings")]

    operations = [
        migrations.CreateModel(
            "Heartbeat",
            [
                ("name", models.CharField(max_length=160, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
