"""The practice QuickBooks' books: PF pairs, credits applied, names, numbers, taxes, closed books, deletions."""

from __future__ import annotations

import pytest
from quickbooks.objects import Customer, Invoice, Payment
from quickbooks.objects.company_info import CompanyInfo
from quickbooks.objects.creditmemo import CreditMemo
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail
from quickbooks.objects.payment import PaymentLine

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.intuit.app import (
    BANK,
    CATEGORY,
    CLEARING,
    GST,
    HARDWARE,
    HIGH_LIMITS,
    NO_ACCOUNT,
    PREPAYMENT,
    PREPAYMENTS,
    PURCHASES,
    RECEIVABLE,
    RETIRED,
    IntuitApp,
    build_document,
    build_line,
    build_linked_line,
    build_payment,
)


def test_a_pf_pair_leaves_a_paid_invoice_and_open_credit(app: IntuitApp) -> None:
    who = app.create_customer()
    invoice = app.create("Invoice", build_document(who, DocNumber="PF-1"))
    memo = app.create("CreditMemo", build_document(who, item=PREPAYMENT, DocNumber="PF_CR-1"))
    app.create(
        "Payment",
        build_payment(who, "110.00", build_linked_line("Invoice", invoice["Id"], "110.00"), PaymentRefNum="PF-1"),
    )
    assert app.read("Invoice", invoice["Id"])["Balance"] == 0
    assert app.read("CreditMemo", memo["Id"])["RemainingCredit"] == 110
    assert app.read("Customer", who)["Balance"] == -110


def test_the_vendors_library_writes_and_reads_a_pf_pair(app: IntuitApp) -> None:
    client = app.build_library()
    customer = Customer()
    customer.DisplayName = 'O\'Brien \\ Söhne "GmbH"'
    customer = customer.save(qb=client, request_id="one")
    documents = []
    for kind in (Invoice, CreditMemo):
        created, row = kind(), SalesItemLine()
        row.Amount, row.SalesItemLineDetail = 625.5, SalesItemLineDetail()
        row.SalesItemLineDetail.ItemRef = {"value": PREPAYMENT}
        row.SalesItemLineDetail.TaxCodeRef = {"value": "3"}
        created.CustomerRef, created.Line, created.DocNumber = customer.to_ref(), [row], f"PF-{kind.__name__}"
        documents.append(created.save(qb=client, request_id=kind.__name__))
    paid, part = Payment(), PaymentLine()
    part.Amount, part.LinkedTxn = 625.5, [documents[0].to_linked_txn()]
    paid.TotalAmt, paid.CustomerRef, paid.Line = 625.5, customer.to_ref(), [part]
    paid.DepositToAccountRef = {"value": CLEARING}
    paid.save(qb=client, request_id="paid")
    assert Invoice.get(documents[0].Id, qb=client).Balance == 0
    assert CreditMemo.filter(DocNumber="PF-CreditMemo", qb=client)[0].RemainingCredit == 625.5
    assert CompanyInfo.get(app.realm, qb=client).CompanyName == "Harbour IT Practice (AU)"
    assert app.call("GET", f"/invoice/{documents[0].Id}/pdf").content.startswith(b"%PDF-")


def test_a_payment_of_no_money_applies_a_credit(app: IntuitApp) -> None:
    who = app.create_customer()
    memo = app.create("CreditMemo", build_document(who, "100.00", item=PREPAYMENT))
    invoice = app.create("Invoice", build_document(who, "250.00"))
    joined = build_payment(
        who,
        "0",
        build_linked_line("Invoice", invoice["Id"], "60.00"),
        build_linked_line("CreditMemo", memo["Id"], "60.00"),
    )
    created = app.create("Payment", joined)
    assert created["UnappliedAmt"] == 0
    assert app.read("Invoice", invoice["Id"])["Balance"] == 190
    assert app.read("CreditMemo", memo["Id"])["RemainingCredit"] == 40
    app.call("POST", "/payment", {"Id": created["Id"], "SyncToken": created["SyncToken"]}, operation="delete")
    assert app.read("Invoice", invoice["Id"])["Balance"] == 250
    assert app.read("CreditMemo", memo["Id"])["RemainingCredit"] == 100


def test_gst_is_worked_out_per_code_and_lines_need_one(app: IntuitApp) -> None:
    who = app.create_customer()
    created = app.create(
        "Invoice", {**build_document(who), "Line": [build_line("10.05", HARDWARE, GST), build_line("20.00")]}
    )
    assert (created["TotalAmt"], created["TxnTaxDetail"]["TotalTax"]) == (31.06, 1.01)
    code, detail = app.get_refusal("Invoice", {**build_document(who), "Line": [build_line("10.00", tax=None)]})
    assert code == "6000"
    assert "GST rate" in detail


def test_tax_inside_amounts_is_taken_out_of_them(app: IntuitApp) -> None:
    inside = {
        **build_document(app.create_customer()),
        "GlobalTaxCalculation": "TaxInclusive",
        "Line": [build_line("110.00", HARDWARE, GST)],
    }
    created = app.create("Invoice", inside)
    assert (created["TotalAmt"], created["TxnTaxDetail"]["TotalTax"], created["Line"][0]["Amount"]) == (110, 10, 100)


def test_documents_without_tax_need_no_codes_and_take_no_detail(app: IntuitApp) -> None:
    free = {
        **build_document(app.create_customer()),
        "GlobalTaxCalculation": "NotApplicable",
        "Line": [build_line("10.00", tax=None)],
    }
    assert app.create("Invoice", free)["TotalAmt"] == 10
    assert app.get_refusal("Invoice", {**free, "TxnTaxDetail": {"TotalTax": 1}})[0] == "6170"


def test_codes_for_purchases_and_unknown_ones_are_no_codes_for_sales(app: IntuitApp) -> None:
    who = app.create_customer()
    assert (
        app.get_refusal("Invoice", {**build_document(who), "Line": [build_line("10.00", tax=PURCHASES)]})[0] == "6000"
    )
    assert app.get_refusal("Invoice", {**build_document(who), "Line": [build_line("10.00", tax="77")]})[0] == "2500"


def test_an_american_line_only_says_whether_it_is_taxable(sandbox: SandboxProcess) -> None:
    sandbox.config(intuit_limits=HIGH_LIMITS)
    app = IntuitApp(sandbox).connect("us")
    who = app.create_customer()
    taxed = app.create(
        "Invoice", {**build_document(who), "Line": [build_line("100.00", tax="TAX"), build_line("10.00", tax="NON")]}
    )
    assert (taxed["TotalAmt"], taxed["TxnTaxDetail"]["TotalTax"]) == (118.25, 8.25)
    assert app.create("CreditMemo", {**build_document(who), "Line": [build_line("10.00", tax=None)]})["TotalAmt"] == 10
    assert app.get_refusal("Invoice", {**build_document(who), "Line": [build_line("10.00", tax="3")]})[0] == "6100"
    tax_line = {"Amount": 5, "DetailType": "TaxLineDetail", "TaxLineDetail": {"TaxRateRef": {"value": "1"}}}
    own = {
        **build_document(who),
        "TxnTaxDetail": {"TotalTax": 5, "TaxLine": [tax_line]},
        "Line": [build_line("10.00", tax="TAX")],
    }
    assert app.create("Invoice", own)["TotalAmt"] == 15
    assert app.get_refusal("Invoice", {**own, "TxnTaxDetail": {"TotalTax": 6, "TaxLine": [tax_line]}})[0] == "6000"
    assert (
        app.get_refusal("Invoice", {**build_document(who), "CurrencyRef": {"value": "EUR"}, "Line": own["Line"]})[0]
        == "6000"
    )


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
def test_names_that_quickbooks_cannot_keep_are_refused(app: IntuitApp, name: str, code: str) -> None:
    assert app.get_refusal("Customer", {"DisplayName": name})[0] == code


def test_a_name_belongs_to_one_customer_whatever_its_capitals(app: IntuitApp) -> None:
    first = app.create_customer("Bayside")
    code, detail = app.get_refusal("Customer", {"DisplayName": " bayside "})
    assert code == "6240"
    assert detail.endswith(f"Id={first}")
    assert app.get_refusal("Customer", {"DisplayName": "B", "PrimaryEmailAddr": {"Address": "nowhere"}})[0] == "2210"


def test_an_update_needs_the_latest_token_and_may_be_sparse(app: IntuitApp) -> None:
    created = app.create("Customer", {"DisplayName": "A", "CompanyName": "Anton", "Notes": "long ago"})
    known = {"Id": created["Id"], "SyncToken": created["SyncToken"]}
    sparse = app.create("Customer", {**known, "sparse": True, "CompanyName": "Berta"})
    assert (sparse["DisplayName"], sparse["Notes"], sparse["SyncToken"]) == ("A", "long ago", "1")
    assert app.get_refusal("Customer", {**known, "sparse": True, "CompanyName": "Caesar"})[0] == "5010"
    assert app.get_refusal("Customer", {"Id": created["Id"], "DisplayName": "A"})[0] == "2020"
    assert app.get_refusal("Customer", {**known, "Id": "999"})[0] == "610"
    full = app.create("Customer", {**known, "SyncToken": "1", "DisplayName": "A"})
    assert "Notes" not in full


def test_a_number_belongs_to_one_document_unless_doubles_are_asked_for(app: IntuitApp) -> None:
    who = app.create_customer()
    first = app.create("Invoice", build_document(who, DocNumber="PF-1"))
    code, detail = app.get_refusal("Invoice", build_document(who, DocNumber="PF-1"))
    assert code == "6140"
    assert f"TxnType=Invoice with TxnId={first['Id']}" in detail
    assert app.create("Invoice", build_document(who, DocNumber="PF-1"), include="allowduplicatedocnum")
    assert app.create("CreditMemo", build_document(who, DocNumber="PF-1"))
    assert app.get_refusal("Invoice", build_document(who, DocNumber="x" * 22))[0] == "2050"


def test_documents_need_a_living_customer_and_an_item_that_can_be_sold(app: IntuitApp) -> None:
    who = app.create_customer()
    assert app.get_refusal("Invoice", {"Line": [build_line("1.00")]})[0] == "2020"
    assert app.get_refusal("Invoice", build_document("999"))[0] == "2500"
    for item, code in ((NO_ACCOUNT, "6000"), (RETIRED, "610"), (CATEGORY, "6000"), ("999", "2500")):
        assert app.get_refusal("Invoice", build_document(who, item=item))[0] == code
    app.send_orders(retire={"company": "au", "account": "Managed Services"})
    assert app.get_refusal("Invoice", build_document(who))[0] == "610"
    app.send_orders(restore={"company": "au", "account": "Managed Services"}, retire={"company": "au", "customer": who})
    assert app.get_refusal("Invoice", build_document(who))[0] == "610"


def test_amounts_are_whole_cents_and_agree_with_their_parts(app: IntuitApp) -> None:
    who = app.create_customer()
    assert app.get_refusal("Invoice", build_document(who, "10.005"))[0] == "2140"
    wrong = build_line("10.00", Qty=3, UnitPrice=3)
    assert app.get_refusal("Invoice", {**build_document(who), "Line": [wrong]})[0] == "6070"
    right = app.create("Invoice", {**build_document(who), "Line": [build_line("10.00", Qty=3, UnitPrice=3.3333)]})
    assert right["TotalAmt"] == 10
    assert app.get_refusal("Invoice", {**build_document(who), "Line": [build_line("-1.00")]})[0] == "6000"
    assert app.get_refusal("RefundReceipt", {**build_document(who), "Reference": "PF"})[0] == "2010"


def test_a_payment_takes_no_more_than_is_there(app: IntuitApp) -> None:
    who, other = app.create_customer(), app.create_customer()
    invoice, memo = app.create("Invoice", build_document(who)), app.create("CreditMemo", build_document(who, "50.00"))
    over = build_linked_line("Invoice", invoice["Id"], "110.01")
    assert "open balance" in app.get_refusal("Payment", build_payment(who, "200", over))[1]
    whole = build_linked_line("Invoice", invoice["Id"], "110.00")
    assert app.get_refusal("Payment", build_payment(who, "50", whole))[0] == "6000"
    assert (
        app.get_refusal(
            "Payment", build_payment(who, "50", whole, build_linked_line("CreditMemo", memo["Id"], "50.01"))
        )[0]
        == "6000"
    )
    assert app.get_refusal("Payment", build_payment(other, "110", whole))[0] == "6000"
    assert (
        app.get_refusal("Payment", build_payment(who, "110", build_linked_line("Invoice", "999", "1.00")))[0] == "2500"
    )
    assert (
        app.get_refusal("Payment", build_payment(who, "110", whole, DepositToAccountRef={"value": PREPAYMENTS}))[0]
        == "6430"
    )
    assert app.get_refusal("Payment", build_payment(who, "110", whole, DepositToAccountRef={"value": "15"}))[0] == "610"
    assert app.create("Payment", build_payment(who, "150", whole))["UnappliedAmt"] == 40
    assert app.get_refusal("Payment", build_payment(who, "110", whole))[0] == "6000"


def test_a_voided_payment_opens_its_invoice_again(app: IntuitApp) -> None:
    who = app.create_customer()
    invoice = app.create("Invoice", build_document(who))
    created = app.create(
        "Payment", build_payment(who, "110", build_linked_line("Invoice", invoice["Id"], "110.00"), PrivateNote="PF")
    )
    known = {"Id": created["Id"], "SyncToken": created["SyncToken"], "sparse": True}
    gone = app.create("Payment", known, operation="update", include="void")
    assert (gone["TotalAmt"], gone["PrivateNote"]) == (0, "Voided PF")
    assert app.read("Invoice", invoice["Id"])["Balance"] == 110


@pytest.mark.parametrize("act", ["void", "delete"])
def test_without_its_invoice_money_is_unapplied_and_credit_open(app: IntuitApp, act: str) -> None:
    who = app.create_customer()
    memo, invoice = (
        app.create("CreditMemo", build_document(who, "60.00")),
        app.create("Invoice", build_document(who, "110.00")),
    )
    lines = build_linked_line("Invoice", invoice["Id"], "100.00"), build_linked_line("CreditMemo", memo["Id"], "60.00")
    created = app.create("Payment", build_payment(who, "40", *lines))
    token = app.read("Invoice", invoice["Id"])["SyncToken"]
    app.create("Invoice", {"Id": invoice["Id"], "SyncToken": token}, operation=act)
    assert app.read("CreditMemo", memo["Id"])["Balance"] == 60
    assert app.read("Payment", created["Id"])["UnappliedAmt"] == 40
    if act == "void":
        gone = app.read("Invoice", invoice["Id"])
        assert (gone["TotalAmt"], gone["Balance"], gone["PrivateNote"]) == (0, 0, "Voided")
    else:
        assert app.call("GET", f"/invoice/{invoice['Id']}").status_code == 400


def test_credit_memos_are_deleted_and_never_voided_by_apps(app: IntuitApp) -> None:
    memo = app.create("CreditMemo", build_document(app.create_customer()))
    known = {"Id": memo["Id"], "SyncToken": memo["SyncToken"]}
    assert app.get_refusal("CreditMemo", known, operation="void")[0] == "500"
    assert app.create("CreditMemo", known, operation="delete")["status"] == "Deleted"


def test_a_document_cannot_become_less_than_was_paid_on_it(app: IntuitApp) -> None:
    who = app.create_customer()
    invoice = app.create("Invoice", build_document(who))
    app.create("Payment", build_payment(who, "110", build_linked_line("Invoice", invoice["Id"], "110.00")))
    known = {"Id": invoice["Id"], "SyncToken": "1", "sparse": True}
    assert app.get_refusal("Invoice", {**known, "Line": [build_line("100.00")]})[0] == "6000"
    more = app.create("Invoice", {**known, "Line": [build_line("150.00")]})
    assert (more["TotalAmt"], more["Balance"], more["CustomerRef"]["value"]) == (150, 40, who)


def test_nothing_is_written_into_closed_books(app: IntuitApp) -> None:
    who = app.create_customer()
    invoice = app.create("Invoice", build_document(who))
    app.send_orders(close_books={"company": "au", "date": "2026-05-31"})
    code, detail = app.get_refusal("Invoice", build_document(who))
    assert code == "6210"
    assert "Account Period Closed" in detail
    known = {"Id": invoice["Id"], "SyncToken": "0"}
    assert app.get_refusal("Invoice", {**known, "sparse": True, "PrivateNote": "x"})[0] == "6210"
    assert app.get_refusal("Invoice", known, operation="delete")[0] == "6210"
    assert (
        app.get_refusal("Payment", build_payment(who, "110", build_linked_line("Invoice", invoice["Id"], "110.00")))[0]
        == "6210"
    )
    assert app.create("Invoice", build_document(who, TxnDate="2026-06-01"))
    assert app.call("GET", "/preferences").json()["Preferences"]["AccountingInfoPrefs"]["BookCloseDate"] == "2026-05-31"


def test_a_company_that_stopped_paying_can_only_be_read(app: IntuitApp) -> None:
    who = app.create_customer()
    app.send_orders(preferences={"company": "au", "suspended": True})
    assert app.get_refusal("Invoice", build_document(who))[0] == "6190"
    assert app.read("Customer", who)


def test_a_customer_has_one_currency_and_so_have_its_documents(app: IntuitApp) -> None:
    who = app.create_customer(CurrencyRef={"value": "USD"})
    invoice = app.create("Invoice", build_document(who))
    assert (invoice["CurrencyRef"]["value"], invoice["HomeTotalAmt"]) == ("USD", 165)
    assert app.get_refusal("Invoice", build_document(who, CurrencyRef={"value": "AUD"}))[0] == "6000"
    assert app.get_refusal("Customer", {"DisplayName": "Euro", "CurrencyRef": {"value": "EUR"}})[0] == "2220"
    known = {"Id": who, "SyncToken": "0", "sparse": True}
    assert app.get_refusal("Customer", {**known, "CurrencyRef": {"value": "AUD"}})[0] == "6000"


def test_a_refund_is_money_paid_out_and_joined_with_the_credit(app: IntuitApp) -> None:
    who = app.create_customer()
    memo = app.create("CreditMemo", build_document(who, "80.00"))
    detail = {"AccountRef": {"value": RECEIVABLE}}
    out = app.create(
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
    lines = build_linked_line("Expense", out["Id"], "30.00"), build_linked_line("CreditMemo", memo["Id"], "30.00")
    app.create("Payment", build_payment(who, "0", *lines))
    assert app.read("CreditMemo", memo["Id"])["Balance"] == 50
    again = build_linked_line("Expense", out["Id"], "1.00"), build_linked_line("CreditMemo", memo["Id"], "1.00")
    assert app.get_refusal("Payment", build_payment(who, "0", *again))[0] == "6000"


def test_a_refund_receipt_pays_out_by_itself(app: IntuitApp) -> None:
    who = app.create_customer()
    assert app.get_refusal("RefundReceipt", build_document(who))[0] == "2020"
    created = app.create("RefundReceipt", build_document(who, DepositToAccountRef={"value": BANK}))
    assert (created["TotalAmt"], created["Balance"]) == (110, 0)


def test_credit_applies_itself_where_people_switched_that_on(app: IntuitApp) -> None:
    who = app.create_customer()
    app.send_orders(preferences={"company": "au", "AutoApplyCredit": True})
    invoice = app.create("Invoice", build_document(who))
    memo = app.create("CreditMemo", build_document(who, "60.00"))
    assert memo["Balance"] == 0
    assert app.read("Invoice", invoice["Id"])["Balance"] == 50


def test_credit_in_another_currency_is_refunded_from_its_own_receivables(app: IntuitApp) -> None:
    who = app.create_customer(CurrencyRef={"value": "USD"})
    memo = app.create("CreditMemo", build_document(who, DocNumber="PF_CR-9"))
    app.send_orders(refund={"company": "au", "credit_memo": "PF_CR-9"})
    assert app.read("CreditMemo", memo["Id"])["Balance"] == 0
    detail = {"AccountRef": {"value": RECEIVABLE}}
    wrong = {"Amount": 1, "DetailType": "AccountBasedExpenseLineDetail", "AccountBasedExpenseLineDetail": detail}
    purchase = {"PaymentType": "Cash", "AccountRef": {"value": BANK}, "EntityRef": {"value": who}, "Line": [wrong]}
    assert "currency of the account" in app.get_refusal("Purchase", purchase)[1]
    named = "select * from Account where AccountType = 'Accounts Receivable'"
    assert {row["CurrencyRef"]["value"] for row in app.query(named)["Account"]} == {"AUD", "USD", "NZD", "JPY"}
