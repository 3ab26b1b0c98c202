from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounting", "0009_field_words")]

    operations = [migrations.RenameField("acknowledgement", "sentence", "description")]
