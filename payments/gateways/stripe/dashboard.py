"""Addresses of Stripe's own pages, for people."""

from urllib.parse import quote

DASHBOARD = "https://dashboard.stripe.com"
PAGES = {"payment": "payments", "payout": "payouts", "dispute": "disputes", "customer": "customers"}


def build_page_url(page: str, stripe_id: str, *, account_id: str, is_live: bool) -> str:
    """Stripe's page of a payment, a payout, a dispute or a customer, of that account and mode; empty without an id."""
    if not stripe_id:
        return ""
    mode = "" if is_live else "/test"
    account = f"/{quote(account_id, safe='')}" if account_id.startswith("acct_") else ""
    return f"{DASHBOARD}{account}{mode}/{PAGES[page]}/{quote(stripe_id, safe='')}"
