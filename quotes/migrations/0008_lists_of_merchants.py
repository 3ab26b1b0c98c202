from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('quotes', '0007_notes_in_cpq'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='quote',
            index=models.Index(fields=['merchant', 'opportunity_id'], name='quote_of_opportunity'),
        ),
        migrations.AddIndex(
            model_name='quote',
            index=models.Index(fields=['merchant', '-id'], name='quote_newest'),
        ),
    ]
