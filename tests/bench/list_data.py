"""A merchant with a million payments and 200,000 invoices, made by the database itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from payments.models import GatewayAccount
from tests.tenants import Tenant

PAYMENTS, INVOICES, COMPANIES = 1_000_000, 200_000, 4_000
TABLES = ("payments_payment", "payments_attempt", "payments_balancetransaction", "accounting_ledgerinvoice")
NOW = "'2026-11-01 09:00+00'::timestamptz"
COMPANIES_SQL = """
INSERT INTO payers_payercompany (reference, merchant_id, name, folded_name, email, phone, organisation_id, contact_id,
    contact_currency, contacts, created_at)
SELECT 'c' || lpad(n::text, 19, '0'), %(merchant)s, 'Company ' || n || ' Pty Ltd', 'company ' || n || ' pty ltd',
    'accounts' || n || '@big.example', '', 'org', 'contact-' || n, '', '{{}}', {now}
FROM generate_series(1, {companies}) n
"""
# One company in ten payments, the others of 4,000; four in five paid; one in fifty of another currency.
PAYMENTS_SQL = """
INSERT INTO payments_payment (reference, merchant_id, company_id, currency, amount, paid_amount, paid_at,
    refunded_amount, origin, purpose, details, methods, needs_account, recurring_interval, recurring_agreement,
    done_path, expires_at, created_at, state, state_at)
SELECT substr(md5('payment' || n), 1, 20), %(merchant)s,
    (SELECT min(id) FROM payers_payercompany WHERE merchant_id = %(merchant)s AND contact_id LIKE 'contact-%%')
        + CASE WHEN n %% 10 = 0 THEN 0 ELSE n::bigint * 7919 %% {companies} END,
    CASE WHEN n %% 50 = 0 THEN 'USD' ELSE 'AUD' END, 1000 + n::bigint * 37 %% 900000,
    CASE WHEN n %% 5 > 0 THEN 1000 + n::bigint * 37 %% 900000 END,
    CASE WHEN n %% 5 > 0 THEN {now} - ({payments} - n) * interval '90 seconds' + interval '20 minutes' END,
    CASE WHEN n %% 400 = 1 THEN 500 ELSE 0 END,
    CASE WHEN n %% 3 = 0 THEN 'invoices' ELSE 'quote' END,
    CASE WHEN n %% 3 = 0 THEN 'Invoice INV-' || n ELSE 'Quote ' || n || ' v1: Managed services ' || n %% 977 END,
    jsonb_build_object('reference', 'Q' || n || '-1', 'purchase_order', 'PO-' || n, 'company', 'Company ' || n %% 4000,
        'billing', jsonb_build_object('name', 'Ada Lind', 'email', 'person' || n %% 20000 || '@big.example'),
        'rows', jsonb_build_array(jsonb_build_array('One-time total', 'A$1,250.00'))),
    '["card"]', false, '', '', '/done', {now} - ({payments} - n) * interval '90 seconds' + interval '30 days',
    {now} - ({payments} - n) * interval '90 seconds', CASE WHEN n %% 5 > 0 THEN 'succeeded' ELSE 'open' END, {now}
FROM generate_series(1, {payments}) n
"""
ATTEMPTS_SQL = """
INSERT INTO payments_attempt (reference, account_id, idempotency_key, confirmation_token, method_types,
    stripe_customer_id, shares_method, payer_name, payer_email, payer_phone, ip, user_agent, method_kind, brand, last4,
    stripe_payment_method_id, stripe_mandate_id, failure_code, failure_message, next_action, action_url, created_at,
    state, state_at, payment_id, amount, saves_method, stripe_payment_intent_id, is_off_session,
    radar_session_id)
SELECT substr(md5('attempt' || p.id), 1, 20), %(account)s, 'bench-' || p.id, 'ctoken', '["card"]', '', false,
    'Ada Lind ' || p.id %% 9973, 'person' || p.id %% 20000 || '@big.example', '', '127.0.0.1', '',
    CASE WHEN p.id %% 4 = 0 THEN 'au_becs_debit' ELSE 'card' END, 'visa', lpad((p.id * 7919 %% 10000)::text, 4, '0'),
    '', '', CASE WHEN p.paid_at IS NULL THEN 'card_declined' ELSE '' END, '', '', '', p.created_at,
    CASE WHEN p.paid_at IS NULL THEN 'failed' ELSE 'succeeded' END, p.created_at, p.id, p.amount, false,
    'pi_bench' || p.id, false, ''
FROM payments_payment p WHERE p.merchant_id = %(merchant)s
"""
LINES_SQL = """
INSERT INTO payments_balancetransaction (account_id, stripe_id, kind, amount, fee, currency, paid_amount, paid_currency,
    source_id, intent_id, reference, method_kind, description, happened_at, available_at, attempt_id, read_at)
SELECT %(account)s, 'txn_bench' || a.id, 'charge', a.amount, a.amount / 50, 'AUD', a.amount, 'AUD', 'ch_bench' || a.id,
    a.stripe_payment_intent_id, '', a.method_kind, '', a.created_at, a.created_at + interval '2 days', a.id,
    a.created_at
FROM payments_attempt a WHERE a.account_id = %(account)s AND a.state = 'succeeded'
"""
INVOICES_SQL = """
INSERT INTO accounting_ledgerinvoice (reference, merchant_id, organisation_id, ledger_id, number, remark, contact_id,
    company_id, currency, total, due, issued_on, due_on, changed_at, read_at, status, term_id,
    former_totals)
SELECT substr(md5('invoice' || n), 1, 20), %(merchant)s, 'org', 'ledger-' || n, 'INV-' || n, '',
    'contact-' || n %% 4000,
    (SELECT min(id) FROM payers_payercompany WHERE merchant_id = %(merchant)s AND contact_id LIKE 'contact-%%')
        + n %% {companies}, 'AUD', 5000 + n, CASE WHEN n %% 4 = 0 THEN 5000 + n ELSE 0 END,
    date '2026-11-01' - ({invoices} - n) / 100, date '2026-12-01' - ({invoices} - n) / 100, {now}, {now},
    CASE WHEN n %% 4 = 0 THEN 'open' ELSE 'paid' END, '', '[]'
FROM generate_series(1, {invoices}) n
"""


def create_many_rows(tenant: Tenant, *, payments: int = PAYMENTS, invoices: int = INVOICES) -> None:
    """Create them, while the tables have no indexes but those of their constraints. Needs no transaction around it."""
    account = GatewayAccount.objects.get(current_of=tenant.merchant)
    values = {"merchant": tenant.merchant.pk, "account": account.pk}
    numbers = {"payments": payments, "invoices": invoices, "companies": COMPANIES, "now": NOW}
    with connection.cursor() as cursor, without_indexes():
        for sql in (COMPANIES_SQL, PAYMENTS_SQL, ATTEMPTS_SQL, LINES_SQL, INVOICES_SQL):
            cursor.execute(sql.format(**numbers), values)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE payers_payercompany, {', '.join(TABLES)}")


@contextmanager
def without_indexes() -> Iterator[None]:
    """Take the indexes of the tables away, and make them again afterwards, which is quicker than keeping them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indexdef, i.indexname FROM pg_indexes i LEFT JOIN pg_constraint c ON c.conname = i.indexname "
            "WHERE i.tablename = ANY(%s) AND c.oid IS NULL",
            [list(TABLES)],
        )
        found = cursor.fetchall()
        for _, name in found:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for definition, _ in found:
            cursor.execute(definition)
