from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0013_paynow_links'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='saved_views',
            field=models.JSONField(default=dict, help_text='What stands in the address, by list and by name.'),
        ),
    ]
