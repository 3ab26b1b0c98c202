from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0009_field_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="autopaysettings",
            name="planning_lease_until",
            field=models.DateTimeField(help_text="A worker plans this merchant until then.", null=True),
        ),
    ]
