import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# An entry may go only by `wisepay_audit_forget`, which names a checkpoint, and only if that checkpoint covers it.
TRIGGERS = """
CREATE FUNCTION wisepay_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION wisepay_audit_checkpoint() RETURNS wisepay_auditcheckpoint LANGUAGE sql STABLE AS $$
    SELECT * FROM wisepay_auditcheckpoint
    WHERE id = nullif(current_setting('wisepay.audit_checkpoint', true), '')::bigint
$$;

CREATE FUNCTION wisepay_audit_keep_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given wisepay_auditcheckpoint := wisepay_audit_checkpoint();
BEGIN
    IF given.chain = coalesce(OLD.merchant_id, 0) AND OLD.at < given.removed_before THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION wisepay_audit_keep_seal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given wisepay_auditcheckpoint := wisepay_audit_checkpoint();
BEGIN
    IF given.chain = OLD.chain AND OLD.position <= given.position THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION wisepay_audit_keep_details() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given wisepay_auditcheckpoint := wisepay_audit_checkpoint();
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < given.removed_before THEN
            RETURN OLD;
        END IF;
    -- A part may be blanked as a whole, with a mark; nothing may be written over.
    ELSIF (NEW.entry_id, NEW.at) = (OLD.entry_id, OLD.at)
        AND ((NEW.name, NEW.email, NEW.ip, NEW.agent, NEW.person_salt, NEW.person_erasure)
                = (OLD.name, OLD.email, OLD.ip, OLD.agent, OLD.person_salt, OLD.person_erasure)
            OR ((NEW.name, NEW.email, NEW.ip, NEW.agent, NEW.person_salt) = ('', '', '', '', '')
                AND NEW.person_erasure <> ''))
        AND ((NEW.subject, NEW.detail, NEW.content_salt, NEW.content_erasure)
                = (OLD.subject, OLD.detail, OLD.content_salt, OLD.content_erasure)
                AND NEW.about_id IS NOT DISTINCT FROM OLD.about_id
            OR ((NEW.subject, NEW.detail, NEW.content_salt) = ('', '', '') AND NEW.about_id IS NULL
                AND NEW.content_erasure <> '')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION wisepay_audit_forget(given_id bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given wisepay_auditcheckpoint;
    removed bigint;
BEGIN
    SELECT * INTO STRICT given FROM wisepay_auditcheckpoint WHERE id = given_id;
    PERFORM set_config('wisepay.audit_checkpoint', given_id::text, true);
    DELETE FROM wisepay_auditdetails d USING wisepay_auditentry e
        WHERE d.entry_id = e.id AND coalesce(e.merchant_id, 0) = given.chain AND e.at < given.removed_before;
    DELETE FROM wisepay_auditentry WHERE coalesce(merchant_id, 0) = given.chain AND at < given.removed_before;
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM wisepay_auditseal WHERE chain = given.chain AND position <= given.position;
    PERFORM set_config('wisepay.audit_checkpoint', '', true);
    RETURN removed;
END $$;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON wisepay_auditentry
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON wisepay_auditentry
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_keep_entry();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON wisepay_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_update BEFORE UPDATE ON wisepay_auditseal
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON wisepay_auditseal
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_keep_seal();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON wisepay_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_update BEFORE UPDATE ON wisepay_auditdetails
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_keep_details();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON wisepay_auditdetails
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_keep_details();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON wisepay_auditdetails
    FOR EACH STATEMENT EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_update BEFORE UPDATE ON wisepay_auditcheckpoint
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON wisepay_auditcheckpoint
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON wisepay_auditcheckpoint
    FOR EACH STATEMENT EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON wisepay_audithead
    FOR EACH ROW EXECUTE FUNCTION wisepay_audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON wisepay_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION wisepay_audit_refuse();
"""


def copy_entries(apps, schema_editor):
    """Write what was there in the new form, signed as if it were written now."""
    old_entries = apps.get_model("wisepay", "OldAuditEntry").objects.order_by("pk")
    if not old_entries.exists():
        return
    import secrets

    from wisepay.audit_log.digests import hash_content, hash_person, list_entry_parts
    from wisepay.audit_log.keys import sign

    entry_model = apps.get_model("wisepay", "AuditEntry")
    details_model = apps.get_model("wisepay", "AuditDetails")
    for old in old_entries.select_related("user").iterator(500):
        details = details_model(
            at=old.at,
            name=old.user.name if old.user else "",
            email=old.user.email if old.user else "",
            ip=old.ip or "",
            person_salt=secrets.token_hex(16),
            subject=old.subject,
            detail=old.detail,
            content_salt=secrets.token_hex(16),
        )
        details.save(force_insert=True)
        entry = entry_model(at=old.at, merchant_id=old.merchant_id, user_id=old.user_id, action=old.action)
        entry.details_id = details.entry_id
        entry.person_digest, entry.content_digest = hash_person(details), hash_content(details)
        entry.mac = sign(*list_entry_parts(entry))
        entry.save(force_insert=True)


class Migration(migrations.Migration):

    dependencies = [
        ('wisepay', '0002_field_words'),
    ]

    operations = [
        migrations.RenameModel('AuditEntry', 'OldAuditEntry'),
        migrations.CreateModel(
            name='AuditDetails',
            fields=[
                ('entry_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('name', models.CharField(blank=True, max_length=120)),
                ('email', models.CharField(blank=True, max_length=254)),
                ('ip', models.CharField(blank=True, max_length=45)),
                ('agent', models.CharField(blank=True, max_length=300)),
                ('person_salt', models.CharField(blank=True, max_length=32)),
                ('person_erasure', models.CharField(blank=True, max_length=120)),
                ('subject', models.CharField(blank=True, max_length=120)),
                ('detail', models.TextField(blank=True)),
                ('about_id', models.BigIntegerField(help_text='The user that the entry is about.', null=True)),
                ('content_salt', models.CharField(blank=True, max_length=32)),
                ('content_erasure', models.CharField(blank=True, max_length=120)),
                ('is_sealed', models.BooleanField(default=False)),
            ],
            options={
                'verbose_name_plural': 'audit details',
                'indexes': [
                    models.Index(condition=models.Q(('is_sealed', False)), fields=['entry_id'], name='audit_unsealed'),
                    models.Index(condition=models.Q(('about_id__isnull', False)), fields=['about_id'], name='audit_about'),
                ],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('pk', models.CompositePrimaryKey('at', 'details_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('merchant_id', models.BigIntegerField(null=True)),
                ('action', models.CharField(max_length=80)),
                ('person_digest', models.CharField(max_length=64)),
                ('content_digest', models.CharField(max_length=64)),
                ('mac', models.CharField(max_length=120)),
                ('details', models.ForeignKey(db_column='id', db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='entries', to='wisepay.auditdetails')),
                ('user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'indexes': [models.Index(fields=['merchant_id', '-at'], name='audit_of_merchant')],
            },
        ),
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('pk', models.CompositePrimaryKey('chain', 'position', blank=True, editable=False, primary_key=True, serialize=False)),
                ('chain', models.BigIntegerField()),
                ('position', models.BigIntegerField()),
                ('entry_at', models.DateTimeField()),
                ('entry_id', models.BigIntegerField(null=True, unique=True)),
                ('digest', models.CharField(max_length=64)),
                ('link', models.CharField(max_length=64)),
                ('mac', models.CharField(max_length=120)),
            ],
        ),
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('chain', models.BigIntegerField(primary_key=True, serialize=False)),
                ('position', models.BigIntegerField(default=0)),
                ('link', models.CharField(blank=True, max_length=64)),
                ('mac', models.CharField(blank=True, max_length=120)),
                ('sealed_at', models.DateTimeField(null=True)),
                ('lease_until', models.DateTimeField(help_text='A worker is sealing until then.', null=True)),
                ('written_at', models.DateTimeField(help_text='When the head was last written to the log.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='AuditCheckpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('chain', models.BigIntegerField()),
                ('position', models.BigIntegerField(help_text='The last position whose seal is deleted.')),
                ('link', models.CharField(max_length=64)),
                ('removed_before', models.DateTimeField()),
                ('made_at', models.DateTimeField()),
                ('mac', models.CharField(max_length=120)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('chain', 'removed_before'), name='one_checkpoint_per_month')],
            },
        ),
        migrations.RunPython(copy_entries, elidable=True),
        migrations.DeleteModel('OldAuditEntry'),
        migrations.RunSQL(TRIGGERS),
    ]
