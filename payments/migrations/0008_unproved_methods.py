"""What people made whose access still waits for their mail belongs to a registration, not to the account."""

from django.db import migrations
from django.db.models import Q

from wisepay import clock
from wisepay.addresses import new_reference


def give_to_registrations(apps, schema_editor):
    accesses = apps.get_model("payers", "PayerAccess").objects
    registrations = apps.get_model("payers", "Registration").objects
    attempts = apps.get_model("payments", "Attempt").objects
    setups = apps.get_model("payments", "Setup").objects
    methods = apps.get_model("payments", "SavedMethod").objects
    waiting = accesses.filter(state="pending", origin="registered").select_related("user", "company")
    for access in waiting.iterator():
        mine = {"user": access.user}
        paid = attempts.filter(Q(payment__company=access.company), is_off_session=False, **mine)
        saving = setups.filter(company=access.company, **mine)
        saved = methods.filter(company=access.company, owner=access.user)
        if not (paid.exists() or saving.exists() or saved.exists()):
            continue
        registration = registrations.create(
            reference=new_reference(),
            company=access.company,
            email=access.user.email.lower(),
            name=access.user.name or access.user.email,
            user=access.user,
            state="waiting",
            state_at=clock.now(),
            created_at=access.created_at,
        )
        paid.update(user=None, registration=registration)
        saving.update(user=None, registration=registration)
        saved.update(owner=None, registration=registration, is_shared=False, is_default=False)


class Migration(migrations.Migration):
    dependencies = [("payments", "0007_registrations")]
    operations = [migrations.RunPython(give_to_registrations, migrations.RunPython.noop)]
