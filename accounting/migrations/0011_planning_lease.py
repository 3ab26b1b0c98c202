from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0010_jobs_and_cursors"),
    ]

    operations = [
        migrations.AddField(
            model_name="autopaysettings",
            name="planning_lease_until",
            field=models.DateTimeField(help_text="A worker plans this merchant until then.", null=True),
        ),
    ]
