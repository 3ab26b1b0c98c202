"""The practice quotes as the vendor's API shows them: quotes, customers, terms, items, tabs, users, codes."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from sandbox.core.world import World
from sandbox.cpq.access import Caller
from sandbox.orderporter.money import DECIMALS
from sandbox.orderporter.quotes import Quote, calculate_totals, list_quotes

Record = dict[str, Any]
INTERVAL_WORDS = {"week": "Weekly", "month": "Monthly", "quarter": "Quarterly", "year": "Annually"}
DEAD_STATUS = {"isLost": "Lost", "isArchive": "Archived", "isDeleted": "Deleted"}


def list_versions(world: World, caller: Caller) -> list[Quote]:
    """Every version of every quote that the caller may see, by number and version; deleted ones are gone."""
    found = [
        version for quote in list_quotes(world) for version in [*quote["earlier"], quote] if caller.can_see(version)
    ]
    return sorted(found, key=lambda version: (version["number"], version["version"]))


def is_current(world: World, version: Quote) -> bool:
    """Whether a version is the newest of its quote and neither archived nor lost to deletion."""
    newest = max((other["version"] for other in list_quotes(world) if other["number"] == version["number"]), default=0)
    return version["version"] == newest and not version["fields"].get("isArchive")


def build_quote(world: World, version: Quote) -> Record:
    """One version as QuoteView, without most of its 204 fields; what was changed in CPQ lies over it."""
    totals, signed = calculate_totals(version), version["signed"]
    recurring = to_double(totals["recurring"], version) if version["recurring"] else 0.0
    record: Record = {
        "id": version["id"],
        "name": version["name"],
        "quoteNumber": version["number"],
        "quoteVersion": version["version"],
        "accountName": version["customer"]["account_name"],
        "baseCurrency": version["currency"],
        "createDate": format_time(world, version["modified_at"]),
        "crmOpportunityId": version["opportunity_id"],
        "customer": {"id": f"c{version['id']}", "name": version["customer"]["account_name"], "_info": {}},
        "expirationDate": format_time(world, version["expires_at"]),
        "grossMargin": 31.5,
        "grossMarginAmount": to_double(totals["one_time"], version) * 0.315,
        "isAccepted": signed is not None,
        "isArchive": False,
        "isLost": False,
        "isOrderPorterApproved": signed is not None,
        "modifyDate": format_time(world, version["modified_at"]),
        "orderPorterDownPaymentMinimum": 0.0,
        "orderPorterDownPaymentPercent": 0.0 if version["deposit"] == 100 else float(version["deposit"]),
        "orderPorterEmailSignature": version["customer"]["email"] if signed else "",
        "orderPorterFullPaymentAllowed": version["full_payment_allowed"],
        "orderPorterInitialsSig": "".join(word[0] for word in signed["name"].split()) if signed else "",
        "orderPorterPasscode": version["passcode"],
        "orderPorterPaymentMode": "Terms" if version["recurring"] else "None",
        "orderPorterSignedDate": format_time(world, signed["at"]) if signed else None,
        "orderPorterSignedIp": "203.0.113.7" if signed else "",
        "orderPorterVisits": 1,
        "purchaseOrderNumber": version["purchase_order_number"],
        "quoteCost": to_double(totals["one_time"], version) * 0.685,
        "quoteNotes": "",
        "quoteStatus": "Won" if signed else "Active",
        "quoteTotal": to_double(totals["one_time"], version),
        "recurringSubtotal": recurring,
        "recurringTax": 0.0,
        "recurringTotal": recurring,
        "selectedTermsTotal": recurring,
        "shippingSubtotal": 0.0,
        "shippingTax": 0.0,
        "subtotal": to_double(totals["one_time"] - totals["tax"], version),
        "tax": to_double(totals["tax"], version),
    }
    changed = {name: value for name, value in version["fields"].items() if name != "isDeleted"}
    dead = next((word for name, word in DEAD_STATUS.items() if version["fields"].get(name)), "")
    return record | ({"quoteStatus": dead} if dead else {}) | changed


def get_rows(version: Quote, kind: str) -> list[Record]:
    """The customers, terms, items or tabs of one version: as they were written, or else as the quote makes them."""
    if kind not in version["rows"]:
        return BUILDERS[kind](version)
    found: list[Record] = version["rows"][kind]
    return found


def open_rows(version: Quote, kind: str) -> list[Record]:
    """The same to be changed: from now on they are kept."""
    rows: list[Record] = version["rows"].setdefault(kind, deepcopy(get_rows(version, kind)))
    return rows


def build_customers(version: Quote) -> list[Record]:
    """The one customer of a quote."""
    customer = version["customer"]
    address = customer.get("address") or {}
    first, _, last = str(customer.get("contact_name") or "").partition(" ")
    return [
        {
            "id": f"c{version['id']}",
            "accountName": customer["account_name"],
            "accountNumber": f"A{version['number']}",
            "companyId": str(250 + version["number"] % 50),
            "customerSource": "ConnectWise",
            "customerSourceId": "",
            "customerType": "Sold To",
            "integrationId": "",
            "firstName": first,
            "lastName": last,
            "emailAddress": customer["email"],
            "dayPhone": customer.get("phone", ""),
            "address1": address.get("line1", ""),
            "address2": "",
            "city": address.get("city", ""),
            "state": address.get("state", ""),
            "postalCode": address.get("postal_code", ""),
            "country": address.get("country", ""),
            "modifyDate": None,
            "quote": {"id": version["id"], "name": version["name"], "_info": {}},
        }
    ]


def build_terms(version: Quote) -> list[Record]:
    """The terms that a customer could choose from: the one of the quote is selected, another is not."""
    recurring = version["recurring"]
    if not recurring:
        return []
    amount = to_double(calculate_totals(version)["recurring"], version)
    common = {
        "idQuote": version["id"],
        "downPayment": 0.0,
        "periodPaymentAmount": 0.0,
        "totalAmount": 0.0,
        "isAutomaticallyBillable": True,
        "agreementType": "Managed Services",
        "startDateMode": "OnAcceptance",
        "overrideStartDate": None,
        "intervalToStart": 0,
        "periods": 0.0,
    }
    word = INTERVAL_WORDS[recurring["interval"]]
    periods = float(recurring.get("periods") or 0)
    chosen = {"name": word, "periodInterval": word, "recurringPeriods": periods, "recurringTotalAmount": amount}
    yearly = {"name": "Annually", "periodInterval": "Annually", "recurringPeriods": 1.0}
    return [
        {
            "id": f"t{version['id']}",
            "isSelected": True,
            "idRecurringRevenue": recurring["interval"],
            **chosen,
            **common,
        },
        {
            "id": f"u{version['id']}",
            "isSelected": False,
            "idRecurringRevenue": "year",
            **yearly,
            "recurringTotalAmount": round(amount * 11.5, 2),
            **common,
        },
    ]


def build_items(version: Quote) -> list[Record]:
    """The lines of the quote."""
    return [
        {
            "id": f"i{number}{version['id']}",
            "idQuote": version["id"],
            "idQuoteTabs": f"{'r' if line['recurring'] else 'o'}{version['id']}",
            "shortDescription": line["description"],
            "quantity": float(line["quantity"]),
            "quoteItemPrice": 0.0 if line["recurring"] else to_double(line["price"], version),
            "recurringPrice": to_double(line["price"], version) if line["recurring"] else 0.0,
            "isOptional": False,
            "isSelected": True,
            "sortOrder": number,
            "modifyDate": None,
        }
        for number, line in enumerate(version["lines"], 1)
    ]


def build_tabs(version: Quote) -> list[Record]:
    """One tab for what is paid once, and one for what recurs."""
    kinds = {line["recurring"] for line in version["lines"]}
    return [
        {
            "id": f"{'r' if kind else 'o'}{version['id']}",
            "name": "Recurring" if kind else "One-time",
            "tabNumber": int(kind) + 1,
            "isOptional": False,
            "quote": {"id": version["id"], "name": version["name"], "_info": {}},
        }
        for kind in sorted(kinds)
    ]


BUILDERS = {"customers": build_customers, "terms": build_terms, "items": build_items, "tabs": build_tabs}


def list_users(caller: Caller) -> list[Record]:
    """The user of the keys, and somebody else of the tenant."""
    own = {
        "id": f"user-{caller.public_key}",
        "userName": f"api@{caller.tenant}.example",
        "firstName": "Wise-Pay",
        "lastName": "API",
        "isApiUser": caller.is_api_user,
        "canAccessAllQuotes": caller.sees_all,
        "isInactiveUser": False,
        "isAdministrator": False,
        "jobTitle": "",
        "timeZone": "",
        "baseCurrency": "",
    }
    other = own | {"id": "user-sales", "userName": f"sales@{caller.tenant}.example", "isApiUser": False}
    return [own, other | {"canAccessAllQuotes": False}]


def list_recurring_revenues() -> list[Record]:
    """The tenant's intervals."""
    days = {"week": 7, "month": 1, "quarter": 3, "year": 12}
    return [
        {"id": key, "description": word, "periodType": "Day" if key == "week" else "Month", "duration": days[key]}
        | {"externalXref": "", "cycle": word}
        for key, word in INTERVAL_WORDS.items()
    ]


def list_tax_codes() -> list[Record]:
    """The tenant's tax codes."""
    codes = {"GST": 10.0, "EXEMPT": 0.0}
    return [
        {"id": name.lower(), "taxCode": name, "taxRate": rate, "isCalculatedExternally": False}
        for name, rate in codes.items()
    ]


def to_double(minor: int, version: Quote) -> float:
    """Minor units as the double that the vendor writes."""
    return minor / float(10 ** DECIMALS[version["currency"]])


def format_time(world: World, text: str) -> str:
    """A time to the second on the tenant's own clock, without its zone."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00")) + timedelta(
        hours=float(world.config.get("cpq_hours_ahead") or 0)
    )
    return at.strftime("%Y-%m-%dT%H:%M:%S")
