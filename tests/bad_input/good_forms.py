"""Good forms that several pages take."""

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
