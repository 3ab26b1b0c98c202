"""The quotes that every practice world begins with, one for each way in which a quote is paid."""

from typing import Any

CUSTOMERS: dict[str, dict[str, Any]] = {
    "dental": {
        "account_name": "Harbour Dental Pty Ltd",
        "contact_name": "Accounts Payable",
        "email": "accounts@harbourdental.example",
        "phone": "+61 2 5550 1234",
        "address": {
            "line1": "1 Quay St",
            "city": "Sydney",
            "state": "NSW",
            "postal_code": "2000",
            "country": "AU",
        },
    },
    "lawyers": {
        "account_name": "Ridgeline Legal Pty Ltd",
        "contact_name": "Accounts Payable",
        "email": "accounts@ridgelinelegal.example",
        "phone": "+61 3 5550 7788",
        "address": {
            "line1": "40 Hill St",
            "city": "Melbourne",
            "state": "VIC",
            "postal_code": "3000",
            "country": "AU",
        },
    },
    "freight": {
        "account_name": "Lakeshore Freight Inc.",
        "contact_name": "Finance Office",
        "email": "finance@lakeshorefreight.example",
        "phone": "+1 312 555 0142",
        "address": {
            "line1": "200 Dock Ave",
            "city": "Chicago",
            "state": "IL",
            "postal_code": "60601",
            "country": "US",
        },
    },
    "trading": {
        "account_name": "Minato Trading KK",
        "contact_name": "Accounts Office",
        "email": "accounts@minatotrading.example",
        "phone": "+81 3 5550 0199",
        "address": {"line1": "3-1 Minato", "city": "Tokyo", "postal_code": "105-0001", "country": "JP"},
    },
}


def build_line(description: str, quantity: int, price: int, *, recurring: bool = False) -> dict[str, Any]:
    """One line; `price` is per piece in minor units, tax included."""
    return {"description": description, "quantity": quantity, "price": price, "recurring": recurring}


# `deposit`: per cent of the one-time total due on acceptance. `tax_rate`: per cent, contained in the prices.
QUOTE_TEMPLATES: dict[str, dict[str, Any]] = {
    "one-time": {
        "name": "Managed services onboarding",
        "summary": "Paid once, in full, on acceptance.",
        "customer": "dental",
        "currency": "AUD",
        "tax_rate": 10,
        "lines": [
            build_line("Discovery and documentation of the network", 1, 550_00),
            build_line("Monitoring agent installed and tuned, per workstation", 20, 22_00),
            build_line("Backup of the file server set up and proven", 1, 260_00),
        ],
    },
    "deposit": {
        "name": "Firewall replacement",
        "summary": "Half on acceptance; the customer may pay all of it at once.",
        "customer": "lawyers",
        "currency": "AUD",
        "tax_rate": 10,
        "deposit": 50,
        "full_payment_allowed": True,
        "lines": [
            build_line("Next-generation firewall, rack mounted", 1, 2_640_00),
            build_line("Licence for threat protection, three years", 1, 1_155_00),
            build_line("Configuration and cut-over out of hours", 6, 198_00),
        ],
    },
    "mixed": {
        "name": "Workstation refresh with managed support",
        "summary": "Paid once on acceptance, then monthly with a saved method.",
        "customer": "dental",
        "currency": "AUD",
        "tax_rate": 10,
        "recurring": {"interval": "month", "periods": 12},
        "lines": [
            build_line("Business laptop, 16 GB, dock included", 4, 1_870_00),
            build_line("Set-up, data moved, old machines wiped", 4, 165_00),
            build_line("Managed support per workstation", 4, 87_25, recurring=True),
        ],
    },
    "recurring": {
        "name": "Cloud backup subscription",
        "summary": "Nothing due now: a payment method is saved for the monthly charge.",
        "customer": "lawyers",
        "currency": "AUD",
        "tax_rate": 10,
        "recurring": {"interval": "month", "periods": 36},
        "lines": [
            build_line("Cloud backup, 2 TB, daily restore check", 1, 249_00, recurring=True),
            build_line("Mailbox backup per user", 25, 4_00, recurring=True),
        ],
    },
    "usd": {
        "name": "Network assessment",
        "summary": "In US dollars.",
        "customer": "freight",
        "currency": "USD",
        "lines": [
            build_line("On-site assessment of two warehouses", 2, 900_00),
            build_line("Report with a costed plan", 1, 750_00),
        ],
    },
    "jpy": {
        "name": "Wireless survey",
        "summary": "In yen, which has no decimals; by card only.",
        "customer": "trading",
        "currency": "JPY",
        "tax_rate": 10,
        "allowed_methods": ["card"],
        "lines": [
            build_line("Survey of one office floor", 3, 44_000),
            build_line("Heat map and list of access points", 1, 33_000),
        ],
    },
}
