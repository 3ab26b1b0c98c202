"""Good forms and queries that several pages take."""

DETAILS = {
    "name": "Ada Lind",
    "phone": "+61 2 5550 9876",
    "job_title": "Accounts",
    "line1": "1 Quay Street",
    "line2": "Level 3",
    "city": "Sydney",
    "state": "NSW",
    "postal_code": "2000",
    "country": "AU",
}
TERM = {
    "name": "Net 30",
    "description": "A month",
    "processing": "scheduled",
    "mode": "due_date",
    "days": "0",
    "keyword": "monthly",
    "takes_cards": "on",
    "takes_debits": "on",
}
AUDIT_FILTER = {"first": "2026-11-01", "last": "2026-11-30", "q": "saved", "kind": "", "person": ""}
SEARCH = {
    "q": "managed",
    "amount": "625",
    "at_least": "1",
    "at_most": "9999",
    "status": "paid",
    "method": "card",
    "since": "2026-01-01",
    "until": "2026-12-31",
    "sort": "-amount",
    "page": "1",
}
