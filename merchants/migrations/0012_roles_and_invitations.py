"""Roles made of rights, and invitations: who was an admin is an administrator, who was a user may do what they did."""

import django.db.models.deletion
import django.db.models.functions.text
import wisepay.addresses
import wisepay.clock
from django.conf import settings
from django.db import migrations, models

RIGHTS = [
    "see", "everyday", "take_payments", "refund", "manage_payers", "automatic_payments", "books", "settings", "people",
]
BUILT_IN = {"administrator": "Administrator", "bookkeeper": "Bookkeeper", "reader": "Read-only"}
# What a user could do until now, without and with the right to add payers.
FORMER_USERS = {
    False: ("Merchant user", ["everyday", "see"]),
    True: ("Merchant user who adds payers", ["everyday", "manage_payers", "see"]),
}


def give_roles(apps, schema_editor):
    """Make the built-in roles of every merchant, and give everybody the role that may do what they could do."""
    Merchant, Role = apps.get_model("merchants", "Merchant"), apps.get_model("merchants", "Role")
    Membership = apps.get_model("merchants", "Membership")
    for merchant in Merchant.objects.order_by("pk"):
        for kind, name in BUILT_IN.items():
            Role.objects.create(merchant=merchant, kind=kind, name=name)
        members = Membership.objects.filter(merchant=merchant)
        members.filter(former_role="admin").update(role=Role.objects.get(merchant=merchant, kind="administrator"))
        for may_add_payers, (name, rights) in FORMER_USERS.items():
            users = members.filter(former_role="user", may_add_payers=may_add_payers)
            if users.exists():
                users.update(role=Role.objects.create(merchant=merchant, name=name, chosen_rights=rights))


def take_roles_back(apps, schema_editor):
    """Call everybody an admin or a user again; who has another role than these is a user."""
    Membership = apps.get_model("merchants", "Membership")
    Membership.objects.filter(role__kind="administrator").update(former_role="admin")
    Membership.objects.filter(role__chosen_rights__contains=["manage_payers"]).update(may_add_payers=True)


# Nobody gets, or is invited to, a role of another merchant.
HOLD_ROLES = """
ALTER TABLE merchants_membership ADD CONSTRAINT role_of_the_same_merchant
    FOREIGN KEY (role_id, merchant_id) REFERENCES merchants_role (id, merchant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE merchants_memberinvitation ADD CONSTRAINT invited_to_a_role_of_the_same_merchant
    FOREIGN KEY (role_id, merchant_id) REFERENCES merchants_role (id, merchant_id) DEFERRABLE INITIALLY DEFERRED;
"""
RELEASE_ROLES = """
ALTER TABLE merchants_membership DROP CONSTRAINT role_of_the_same_merchant;
ALTER TABLE merchants_memberinvitation DROP CONSTRAINT invited_to_a_role_of_the_same_merchant;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("merchants", "0011_audit_months"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Role",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ("kind", models.CharField(choices=[("administrator", "Administrator"), ("bookkeeper", "Bookkeeper"), ("reader", "Read-only"), ("own", "Own role")], default="own", max_length=20)),
                ("name", models.CharField(max_length=60)),
                ("chosen_rights", models.JSONField(default=list, help_text="A list of names, of an own role; a built-in one has none.")),
                ("refund_limit", models.BigIntegerField(help_text="The largest single refund, in minor units of the payment's currency; empty for no limit.", null=True)),
                ("requires_second_factor", models.BooleanField(default=False)),
                ("merchant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="roles", to="merchants.merchant")),
            ],
        ),
        migrations.RenameField("membership", "role", "former_role"),
        migrations.AddField(
            model_name="membership",
            name="role",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.RESTRICT, related_name="memberships", to="merchants.role"),
        ),
        migrations.RunPython(give_roles, take_roles_back),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="membership",
            name="role",
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name="memberships", to="merchants.role"),
        ),
        migrations.RemoveField("membership", "former_role"),
        migrations.RemoveField("membership", "may_add_payers"),
        migrations.CreateModel(
            name="MemberInvitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.CharField(default=wisepay.addresses.new_reference, editable=False, max_length=20, unique=True)),
                ("email", models.EmailField(help_text="In lower case.", max_length=254)),
                ("serial", models.PositiveIntegerField(default=1)),
                ("token_digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(default=wisepay.clock.now)),
                ("sent_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(null=True)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("invited_by", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("merchant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="member_invitations", to="merchants.merchant")),
                ("role", models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name="invitations", to="merchants.role")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(condition=models.Q(("accepted_at", None), ("withdrawn_at", None)), fields=("merchant", "email"), name="one_open_invitation_per_address"),
                    models.CheckConstraint(condition=models.Q(("accepted_at", None), ("withdrawn_at", None), _connector="OR"), name="invitation_ends_once"),
                    models.CheckConstraint(condition=models.Q(("email", django.db.models.functions.text.Lower("email"))), name="invited_address_in_lower_case"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(condition=models.Q(("kind", "own"), _negated=True), fields=("merchant", "kind"), name="one_role_of_each_built_in_kind"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(models.F("merchant"), django.db.models.functions.text.Lower("name"), name="one_role_per_name"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(fields=("id", "merchant"), name="role_and_its_merchant"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(condition=models.Q(models.Q(("chosen_rights__contains", ["see"]), ("kind", "own")), models.Q(models.Q(("kind", "own"), _negated=True), ("chosen_rights", []), ("refund_limit", None)), _connector="OR"), name="only_own_roles_choose_rights"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(condition=models.Q(("chosen_rights__contained_by", RIGHTS)), name="role_of_known_rights"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.CheckConstraint(condition=models.Q(("refund_limit", None), models.Q(("chosen_rights__contains", ["refund"]), ("refund_limit__gt", 0)), _connector="OR"), name="refund_limit_of_who_refunds"),
        ),
        migrations.RunSQL(HOLD_ROLES, RELEASE_ROLES),
    ]
