"""The lists of the practice QuickBooks that settings are chosen from."""

from tests.sandbox.intuit.app import BANK, PREPAYMENTS, IntuitApp, build_document


def test_lists_are_read_by_the_apps_that_settings_need(app: IntuitApp) -> None:
    assert {row["AccountType"] for row in app.query("select * from Account")["Account"]} >= {"Bank", "Income"}
    assert [row["DueDays"] for row in app.query("select * from Term")["Term"]] == [0, 15, 30, 60]
    rates = {row["Id"]: row["RateValue"] for row in app.query("select * from TaxRate")["TaxRate"]}
    codes = app.query("select * from TaxCode")["TaxCode"]
    first = codes[0]["SalesTaxRateList"]["TaxRateDetail"][0]["TaxRateRef"]["value"]
    assert (codes[0]["Name"], rates[first]) == ("GST", 10)
    assert app.get_refusal("Account", {"Name": "New"})[0] == "500"


def test_items_are_made_with_an_account_for_their_income(app: IntuitApp) -> None:
    new = {"Name": "Prepaid work", "Type": "Service", "IncomeAccountRef": {"value": PREPAYMENTS}}
    created = app.create("Item", new)
    assert app.create("Invoice", build_document(app.create_customer(), item=created["Id"]))["TotalAmt"] == 110
    assert app.get_refusal("Item", {**new, "Name": "prepaid work"})[0] == "6240"
    assert app.get_refusal("Item", {"Name": "B", "Type": "Service"})[0] == "2020"
    assert app.get_refusal("Item", {**new, "Name": "C", "IncomeAccountRef": {"value": BANK}})[0] == "6430"
    known = {"Id": created["Id"], "SyncToken": created["SyncToken"], "sparse": True}
    assert app.create("Item", {**known, "Active": False})["Name"] == "Prepaid work (deleted)"
    assert app.create("Item", new)["Id"] != created["Id"]
