import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounting', '0003_attempts_of_documents'),
        ('payments', '0002_people_who_pay'),
    ]

    operations = [
        migrations.AlterField(
            model_name='creditnote',
            name='attempt',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='credit_note', to='payments.attempt'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount', None), ('kind', 'contact'), ('on', None), ('payment', None)), models.Q(models.Q(('kind', 'contact'), _negated=True), ('amount__gt', 0), ('on__isnull', False), ('payment__isnull', False)), _connector='OR'), name='documents_have_payment'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['contact', 'invoice']), ('attempt__isnull', False), _connector='OR'), name='documents_have_attempt'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['refund', 'refund_removal']), ('refund__isnull', False)), models.Q(models.Q(('kind__in', ['refund', 'refund_removal']), _negated=True), ('refund', None)), _connector='OR'), name='refunds_have_refund'),
        ),
    ]
