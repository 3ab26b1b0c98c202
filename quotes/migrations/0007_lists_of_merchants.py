from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('quotes', '0006_pay_link_mails'),
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
