"""The practice QuickBooks' books: PF pairs, credits applied, names, numbers, taxes, closed books, deletions."""

from __future__ import annotations

import pytest
from quickbooks.objects import Customer, Invoice, Payment
from quickbooks.objects.company_info import CompanyInfo
from quickbooks.objects.creditmemo import CreditMemo
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail
from quickbooks.objects.payment import PaymentLine

from sandbox.launch import Running
from tests.sandbox.intuit_app import (
    BANK,
    CATEGORY,
    CLEARING,
    GENEROUS,
    GST,
    HARDWARE,
    NO_ACCOUNT,
    PREPAYMENT,
    PREPAYMENTS,
    PURCHASES,
    RECEIVABLE,
    RETIRED,
    App,
    document,
    line,
    linked,
    payment,
)


@pytest.fixture
def app(sandbox: Running) -> App:
    sandbox.config(intuit_limits=GENEROUS)
    return App(sandbox).connect()


def test_a_pf_pair_leaves_a_paid_invoice_and_open_credit(app: App) -> None:
    who = app.customer()
    invoice = app.make("Invoice", document(who, DocNumber="PF-1"))
    memo = app.make("CreditMemo", document(who, item=PREPAYMENT, DocNumber="PF_CR-1"))
    app.make("Payment", payment(who, "110.00", linked("Invoice", invoice["Id"], "110.00"), PaymentRefNum="PF-1"))
    assert app.read("Invoice", invoice["Id"])["Balance"] == 0
    assert app.read("CreditMemo", memo["Id"])["RemainingCredit"] == 110
    assert app.read("Customer", who)["Balance"] == -110


def test_the_vendors_library_writes_and_reads_a_pf_pair(app: App) -> None:
    client = app.library()
    customer = Customer()
    customer.DisplayName = 'O\'Brien \\ Söhne "GmbH"'
    customer = customer.save(qb=client, request_id="one")
    documents = []
    for kind in (Invoice, CreditMemo):
        made, row = kind(), SalesItemLine()
        row.Amount, row.SalesItemLineDetail = 625.5, SalesItemLineDetail()
        row.SalesItemLineDetail.ItemRef = {"value": PREPAYMENT}
        row.SalesItemLineDetail.TaxCodeRef = {"value": "3"}
        made.CustomerRef, made.Line, made.DocNumber = customer.to_ref(), [row], f"PF-{kind.__name__}"
        documents.append(made.save(qb=client, request_id=kind.__name__))
    paid, part = Payment(), PaymentLine()
    part.Amount, part.LinkedTxn = 625.5, [documents[0].to_linked_txn()]
    paid.TotalAmt, paid.CustomerRef, paid.Line = 625.5, customer.to_ref(), [part]
    paid.DepositToAccountRef = {"value": CLEARING}
    paid.save(qb=client, request_id="paid")
    assert Invoice.get(documents[0].Id, qb=client).Balance == 0
    assert CreditMemo.filter(DocNumber="PF-CreditMemo", qb=client)[0].RemainingCredit == 625.5
    assert CompanyInfo.get(app.realm, qb=client).CompanyName == "Harbour IT Practice (AU)"
    assert app.call("GET", f"/invoice/{documents[0].Id}/pdf").content.startswith(b"%PDF-")


def test_a_payment_of_no_money_applies_a_credit(app: App) -> None:
    who = app.customer()
    memo = app.make("CreditMemo", document(who, "100.00", item=PREPAYMENT))
    invoice = app.make("Invoice", document(who, "250.00"))
    joined = payment(who, "0", linked("Invoice", invoice["Id"], "60.00"), linked("CreditMemo", memo["Id"], "60.00"))
    made = app.make("Payment", joined)
    assert made["UnappliedAmt"] == 0
    assert app.read("Invoice", invoice["Id"])["Balance"] == 190
    assert app.read("CreditMemo", memo["Id"])["RemainingCredit"] == 40
    app.call("POST", "/payment", {"Id": made["Id"], "SyncToken": made["SyncToken"]}, operation="delete")
    assert app.read("Invoice", invoice["Id"])["Balance"] == 250
    assert app.read("CreditMemo", memo["Id"])["RemainingCredit"] == 100


def test_gst_is_worked_out_per_code_and_lines_need_one(app: App) -> None:
    who = app.customer()
    made = app.make("Invoice", {**document(who), "Line": [line("10.05", HARDWARE, GST), line("20.00")]})
    assert (made["TotalAmt"], made["TxnTaxDetail"]["TotalTax"]) == (31.06, 1.01)
    code, detail = app.refused("Invoice", {**document(who), "Line": [line("10.00", tax=None)]})
    assert code == "6000"
    assert "GST rate" in detail


def test_tax_inside_amounts_is_taken_out_of_them(app: App) -> None:
    inside = {
        **document(app.customer()),
        "GlobalTaxCalculation": "TaxInclusive",
        "Line": [line("110.00", HARDWARE, GST)],
    }
    made = app.make("Invoice", inside)
    assert (made["TotalAmt"], made["TxnTaxDetail"]["TotalTax"], made["Line"][0]["Amount"]) == (110, 10, 100)


def test_documents_without_tax_need_no_codes_and_take_no_detail(app: App) -> None:
    free = {**document(app.customer()), "GlobalTaxCalculation": "NotApplicable", "Line": [line("10.00", tax=None)]}
    assert app.make("Invoice", free)["TotalAmt"] == 10
    assert app.refused("Invoice", {**free, "TxnTaxDetail": {"TotalTax": 1}})[0] == "6170"


def test_codes_for_purchases_and_unknown_ones_are_no_codes_for_sales(app: App) -> None:
    who = app.customer()
    assert app.refused("Invoice", {**document(who), "Line": [line("10.00", tax=PURCHASES)]})[0] == "6000"
    assert app.refused("Invoice", {**document(who), "Line": [line("10.00", tax="77")]})[0] == "2500"


def test_an_american_line_only_says_whether_it_is_taxable(sandbox: Running) -> None:
    sandbox.config(intuit_limits=GENEROUS)
    app = App(sandbox).connect("us")
    who = app.customer()
    taxed = app.make("Invoice", {**document(who), "Line": [line("100.00", tax="TAX"), line("10.00", tax="NON")]})
    assert (taxed["TotalAmt"], taxed["TxnTaxDetail"]["TotalTax"]) == (118.25, 8.25)
    assert app.make("CreditMemo", {**document(who), "Line": [line("10.00", tax=None)]})["TotalAmt"] == 10
    assert app.refused("Invoice", {**document(who), "Line": [line("10.00", tax="3")]})[0] == "6100"
    told = {"Amount": 5, "DetailType": "TaxLineDetail", "TaxLineDetail": {"TaxRateRef": {"value": "1"}}}
    own = {**document(who), "TxnTaxDetail": {"TotalTax": 5, "TaxLine": [told]}, "Line": [line("10.00", tax="TAX")]}
    assert app.make("Invoice", own)["TotalAmt"] == 15
    assert app.refused("Invoice", {**own, "TxnTaxDetail": {"TotalTax": 6, "TaxLine": [told]}})[0] == "6000"
    assert app.refused("Invoice", {**document(who), "CurrencyRef": {"value": "EUR"}, "Line": own["Line"]})[0] == "6000"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("A:B", "6000"),
        ("A\tB", "6000"),
        ("A\nB", "6000"),
        ("x" * 101, "2050"),
        ("Party \N{PARTY POPPER}", "2040"),
        ("", "6080"),
    ],
)
def test_names_that_quickbooks_cannot_keep_are_refused(app: App, name: str, code: str) -> None:
    assert app.refused("Customer", {"DisplayName": name})[0] == code


def test_a_name_belongs_to_one_customer_whatever_its_capitals(app: App) -> None:
    first = app.customer("Bayside")
    code, detail = app.refused("Customer", {"DisplayName": " bayside "})
    assert code == "6240"
    assert detail.endswith(f"Id={first}")
    assert app.refused("Customer", {"DisplayName": "B", "PrimaryEmailAddr": {"Address": "nowhere"}})[0] == "2210"


def test_an_update_needs_the_latest_token_and_may_be_sparse(app: App) -> None:
    made = app.make("Customer", {"DisplayName": "A", "CompanyName": "Anton", "Notes": "long ago"})
    known = {"Id": made["Id"], "SyncToken": made["SyncToken"]}
    sparse = app.make("Customer", {**known, "sparse": True, "CompanyName": "Berta"})
    assert (sparse["DisplayName"], sparse["Notes"], sparse["SyncToken"]) == ("A", "long ago", "1")
    assert app.refused("Customer", {**known, "sparse": True, "CompanyName": "Caesar"})[0] == "5010"
    assert app.refused("Customer", {"Id": made["Id"], "DisplayName": "A"})[0] == "2020"
    assert app.refused("Customer", {**known, "Id": "999"})[0] == "610"
    full = app.make("Customer", {**known, "SyncToken": "1", "DisplayName": "A"})
    assert "Notes" not in full


def test_a_number_belongs_to_one_document_unless_doubles_are_asked_for(app: App) -> None:
    who = app.customer()
    first = app.make("Invoice", document(who, DocNumber="PF-1"))
    code, detail = app.refused("Invoice", document(who, DocNumber="PF-1"))
    assert code == "6140"
    assert f"TxnType=Invoice with TxnId={first['Id']}" in detail
    assert app.make("Invoice", document(who, DocNumber="PF-1"), include="allowduplicatedocnum")
    assert app.make("CreditMemo", document(who, DocNumber="PF-1"))
    assert app.refused("Invoice", document(who, DocNumber="x" * 22))[0] == "2050"


def test_documents_need_a_living_customer_and_an_item_that_can_be_sold(app: App) -> None:
    who = app.customer()
    assert app.refused("Invoice", {"Line": [line("1.00")]})[0] == "2020"
    assert app.refused("Invoice", document("999"))[0] == "2500"
    for item, code in ((NO_ACCOUNT, "6000"), (RETIRED, "610"), (CATEGORY, "6000"), ("999", "2500")):
        assert app.refused("Invoice", document(who, item=item))[0] == code
    app.steer(retire={"company": "au", "account": "Managed Services"})
    assert app.refused("Invoice", document(who))[0] == "610"
    app.steer(restore={"company": "au", "account": "Managed Services"}, retire={"company": "au", "customer": who})
    assert app.refused("Invoice", document(who))[0] == "610"


def test_amounts_are_whole_cents_and_agree_with_their_parts(app: App) -> None:
    who = app.customer()
    assert app.refused("Invoice", document(who, "10.005"))[0] == "2140"
    wrong = line("10.00", Qty=3, UnitPrice=3)
    assert app.refused("Invoice", {**document(who), "Line": [wrong]})[0] == "6070"
    right = app.make("Invoice", {**document(who), "Line": [line("10.00", Qty=3, UnitPrice=3.3333)]})
    assert right["TotalAmt"] == 10
    assert app.refused("Invoice", {**document(who), "Line": [line("-1.00")]})[0] == "6000"
    assert app.refused("RefundReceipt", {**document(who), "Reference": "PF"})[0] == "2010"


def test_a_payment_takes_no_more_than_is_there(app: App) -> None:
    who, other = app.customer(), app.customer()
    invoice, memo = app.make("Invoice", document(who)), app.make("CreditMemo", document(who, "50.00"))
    over = linked("Invoice", invoice["Id"], "110.01")
    assert "open balance" in app.refused("Payment", payment(who, "200", over))[1]
    whole = linked("Invoice", invoice["Id"], "110.00")
    assert app.refused("Payment", payment(who, "50", whole))[0] == "6000"
    assert app.refused("Payment", payment(who, "50", whole, linked("CreditMemo", memo["Id"], "50.01")))[0] == "6000"
    assert app.refused("Payment", payment(other, "110", whole))[0] == "6000"
    assert app.refused("Payment", payment(who, "110", linked("Invoice", "999", "1.00")))[0] == "2500"
    assert app.refused("Payment", payment(who, "110", whole, DepositToAccountRef={"value": PREPAYMENTS}))[0] == "6430"
    assert app.refused("Payment", payment(who, "110", whole, DepositToAccountRef={"value": "15"}))[0] == "610"
    assert app.make("Payment", payment(who, "150", whole))["UnappliedAmt"] == 40
    assert app.refused("Payment", payment(who, "110", whole))[0] == "6000"


def test_a_voided_payment_opens_its_invoice_again(app: App) -> None:
    who = app.customer()
    invoice = app.make("Invoice", document(who))
    made = app.make("Payment", payment(who, "110", linked("Invoice", invoice["Id"], "110.00"), PrivateNote="PF"))
    known = {"Id": made["Id"], "SyncToken": made["SyncToken"], "sparse": True}
    gone = app.make("Payment", known, operation="update", include="void")
    assert (gone["TotalAmt"], gone["PrivateNote"]) == (0, "Voided PF")
    assert app.read("Invoice", invoice["Id"])["Balance"] == 110


@pytest.mark.parametrize("act", ["void", "delete"])
def test_without_its_invoice_money_is_unapplied_and_credit_open(app: App, act: str) -> None:
    who = app.customer()
    memo, invoice = app.make("CreditMemo", document(who, "60.00")), app.make("Invoice", document(who, "110.00"))
    lines = linked("Invoice", invoice["Id"], "100.00"), linked("CreditMemo", memo["Id"], "60.00")
    made = app.make("Payment", payment(who, "40", *lines))
    token = app.read("Invoice", invoice["Id"])["SyncToken"]
    app.make("Invoice", {"Id": invoice["Id"], "SyncToken": token}, operation=act)
    assert app.read("CreditMemo", memo["Id"])["Balance"] == 60
    assert app.read("Payment", made["Id"])["UnappliedAmt"] == 40
    if act == "void":
        gone = app.read("Invoice", invoice["Id"])
        assert (gone["TotalAmt"], gone["Balance"], gone["PrivateNote"]) == (0, 0, "Voided")
    else:
        assert app.call("GET", f"/invoice/{invoice['Id']}").status_code == 400


def test_credit_memos_are_deleted_and_never_voided_by_apps(app: App) -> None:
    memo = app.make("CreditMemo", document(app.customer()))
    known = {"Id": memo["Id"], "SyncToken": memo["SyncToken"]}
    assert app.refused("CreditMemo", known, operation="void")[0] == "500"
    assert app.make("CreditMemo", known, operation="delete")["status"] == "Deleted"


def test_a_document_cannot_become_less_than_was_paid_on_it(app: App) -> None:
    who = app.customer()
    invoice = app.make("Invoice", document(who))
    app.make("Payment", payment(who, "110", linked("Invoice", invoice["Id"], "110.00")))
    known = {"Id": invoice["Id"], "SyncToken": "1", "sparse": True}
    assert app.refused("Invoice", {**known, "Line": [line("100.00")]})[0] == "6000"
    more = app.make("Invoice", {**known, "Line": [line("150.00")]})
    assert (more["TotalAmt"], more["Balance"], more["CustomerRef"]["value"]) == (150, 40, who)


def test_nothing_is_written_into_closed_books(app: App) -> None:
    who = app.customer()
    invoice = app.make("Invoice", document(who))
    app.steer(close_books={"company": "au", "date": "2026-05-31"})
    code, detail = app.refused("Invoice", document(who))
    assert code == "6210"
    assert "Account Period Closed" in detail
    known = {"Id": invoice["Id"], "SyncToken": "0"}
    assert app.refused("Invoice", {**known, "sparse": True, "PrivateNote": "x"})[0] == "6210"
    assert app.refused("Invoice", known, operation="delete")[0] == "6210"
    assert app.refused("Payment", payment(who, "110", linked("Invoice", invoice["Id"], "110.00")))[0] == "6210"
    assert app.make("Invoice", document(who, TxnDate="2026-06-01"))
    assert app.call("GET", "/preferences").json()["Preferences"]["AccountingInfoPrefs"]["BookCloseDate"] == "2026-05-31"


def test_a_company_that_stopped_paying_can_only_be_read(app: App) -> None:
    who = app.customer()
    app.steer(preferences={"company": "au", "suspended": True})
    assert app.refused("Invoice", document(who))[0] == "6190"
    assert app.read("Customer", who)


def test_a_customer_has_one_currency_and_so_have_its_documents(app: App) -> None:
    who = app.customer(CurrencyRef={"value": "USD"})
    invoice = app.make("Invoice", document(who))
    assert (invoice["CurrencyRef"]["value"], invoice["HomeTotalAmt"]) == ("USD", 165)
    assert app.refused("Invoice", document(who, CurrencyRef={"value": "AUD"}))[0] == "6000"
    assert app.refused("Customer", {"DisplayName": "Euro", "CurrencyRef": {"value": "EUR"}})[0] == "2220"
    known = {"Id": who, "SyncToken": "0", "sparse": True}
    assert app.refused("Customer", {**known, "CurrencyRef": {"value": "AUD"}})[0] == "6000"


def test_a_refund_is_money_paid_out_and_joined_with_the_credit(app: App) -> None:
    who = app.customer()
    memo = app.make("CreditMemo", document(who, "80.00"))
    detail = {"AccountRef": {"value": RECEIVABLE}}
    out = app.make(
        "Purchase",
        {
            "PaymentType": "Cash",
            "AccountRef": {"value": BANK},
            "EntityRef": {"value": who, "type": "Customer"},
            "TxnDate": "2026-05-02",
            "Line": [
                {
                    "Amount": 30,
                    "DetailType": "AccountBasedExpenseLineDetail",
                    "AccountBasedExpenseLineDetail": detail,
                }
            ],
        },
    )
    lines = linked("Expense", out["Id"], "30.00"), linked("CreditMemo", memo["Id"], "30.00")
    app.make("Payment", payment(who, "0", *lines))
    assert app.read("CreditMemo", memo["Id"])["Balance"] == 50
    again = linked("Expense", out["Id"], "1.00"), linked("CreditMemo", memo["Id"], "1.00")
    assert app.refused("Payment", payment(who, "0", *again))[0] == "6000"


def test_a_refund_receipt_pays_out_by_itself(app: App) -> None:
    who = app.customer()
    assert app.refused("RefundReceipt", document(who))[0] == "2020"
    made = app.make("RefundReceipt", document(who, DepositToAccountRef={"value": BANK}))
    assert (made["TotalAmt"], made["Balance"]) == (110, 0)


def test_credit_applies_itself_where_people_switched_that_on(app: App) -> None:
    who = app.customer()
    app.steer(preferences={"company": "au", "AutoApplyCredit": True})
    invoice = app.make("Invoice", document(who))
    memo = app.make("CreditMemo", document(who, "60.00"))
    assert memo["Balance"] == 0
    assert app.read("Invoice", invoice["Id"])["Balance"] == 50


def test_lists_are_read_by_the_apps_that_settings_need(app: App) -> None:
    assert {row["AccountType"] for row in app.query("select * from Account")["Account"]} >= {"Bank", "Income"}
    assert [row["DueDays"] for row in app.query("select * from Term")["Term"]] == [0, 15, 30, 60]
    rates = {row["Id"]: row["RateValue"] for row in app.query("select * from TaxRate")["TaxRate"]}
    codes = app.query("select * from TaxCode")["TaxCode"]
    first = codes[0]["SalesTaxRateList"]["TaxRateDetail"][0]["TaxRateRef"]["value"]
    assert (codes[0]["Name"], rates[first]) == ("GST", 10)
    assert app.refused("Account", {"Name": "New"})[0] == "500"


def test_items_are_made_with_an_account_for_their_income(app: App) -> None:
    new = {"Name": "Prepaid work", "Type": "Service", "IncomeAccountRef": {"value": PREPAYMENTS}}
    made = app.make("Item", new)
    assert app.make("Invoice", document(app.customer(), item=made["Id"]))["TotalAmt"] == 110
    assert app.refused("Item", {**new, "Name": "prepaid work"})[0] == "6240"
    assert app.refused("Item", {"Name": "B", "Type": "Service"})[0] == "2020"
    assert app.refused("Item", {**new, "Name": "C", "IncomeAccountRef": {"value": BANK}})[0] == "6430"
    known = {"Id": made["Id"], "SyncToken": made["SyncToken"], "sparse": True}
    assert app.make("Item", {**known, "Active": False})["Name"] == "Prepaid work (deleted)"
    assert app.make("Item", new)["Id"] != made["Id"]


def test_credit_in_another_currency_is_refunded_from_its_own_receivables(app: App) -> None:
    who = app.customer(CurrencyRef={"value": "USD"})
    memo = app.make("CreditMemo", document(who, DocNumber="PF_CR-9"))
    app.steer(refund={"company": "au", "credit_memo": "PF_CR-9"})
    assert app.read("CreditMemo", memo["Id"])["Balance"] == 0
    detail = {"AccountRef": {"value": RECEIVABLE}}
    wrong = {"Amount": 1, "DetailType": "AccountBasedExpenseLineDetail", "AccountBasedExpenseLineDetail": detail}
    told = {"PaymentType": "Cash", "AccountRef": {"value": BANK}, "EntityRef": {"value": who}, "Line": [wrong]}
    assert "currency of the account" in app.refused("Purchase", told)[1]
    named = "select * from Account where AccountType = 'Accounts Receivable'"
    assert {row["CurrencyRef"]["value"] for row in app.query(named)["Account"]} == {"AUD", "USD", "NZD", "JPY"}
