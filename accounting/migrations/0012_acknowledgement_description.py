from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounting", "0011_planning_lease")]

    operations = [migrations.RenameField("acknowledgement", "sentence", "description")]
