"""The practice QuickBooks' door: budgets, request ids, faults, the query language, batches, captured changes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests
from quickbooks.batch import BatchManager
from quickbooks.exceptions import ValidationException
from quickbooks.objects import Customer

from tests.sandbox.intuit.app import (
    HIGH_LIMITS,
    IntuitApp,
    build_document,
    build_linked_line,
    build_payment,
    get_first_error,
)


def set_limits(app: IntuitApp, **sizes: int) -> None:
    app.sandbox.config(intuit_limits={**HIGH_LIMITS, **sizes})


def test_the_eleventh_call_of_a_second_is_throttled(app: IntuitApp) -> None:
    app.sandbox.config(intuit_limits={})
    app.sandbox.advance(1)
    answers = [app.call("GET", f"/companyinfo/{app.realm}") for _ in range(40)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late
    assert get_first_error(late[0].json()["Fault"])[0] == "3001"
    assert "Retry-After" not in late[0].headers
    assert late[0].headers["intuit_tid"]


def test_the_minute_is_counted_per_company(app: IntuitApp) -> None:
    set_limits(app, minute=3)
    other = IntuitApp(app.sandbox).connect("us")
    set_limits(app, minute=3)
    assert [app.call("GET", "/preferences").status_code for _ in range(4)][-1] == 429
    assert other.call("GET", "/preferences").status_code == 200
    app.sandbox.advance(60)
    assert app.call("GET", "/preferences").status_code == 200


def test_batches_have_a_budget_of_their_own(app: IntuitApp) -> None:
    set_limits(app, batch=1)
    item = {"bId": "1", "Query": "select * from Term"}
    assert app.batch(item)["1"]["QueryResponse"]["Term"]
    assert app.call("POST", "/batch", {"BatchItemRequest": [item]}).status_code == 429
    assert app.call("GET", "/preferences").status_code == 200


def test_only_so_many_calls_are_in_flight(app: IntuitApp) -> None:
    set_limits(app, concurrent=2)
    app.sandbox.config(intuit_latency=0.2)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(app.call("GET", "/preferences").status_code)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 429 in found
    assert found.count(200) >= 2


def test_the_library_hears_of_throttling_as_a_validation_error(app: IntuitApp) -> None:
    app.sandbox.fault("quickbooks", "status", status=429)
    with pytest.raises(ValidationException) as caught:
        Customer.all(qb=app.build_library())
    assert caught.value.error_code == 3001


@pytest.mark.parametrize(("status", "code"), [(401, "3200"), (403, "3100"), (500, "10000"), (503, "10000")])
def test_ordered_faults_have_the_vendors_shape(app: IntuitApp, status: int, code: str) -> None:
    app.sandbox.fault("quickbooks", "status", status=status)
    answer = app.call("GET", "/preferences")
    body = answer.json()
    error = body["fault"]["error"][0] if status == 401 else body["Fault"]["Error"][0]
    assert (answer.status_code, error["code"]) == (status, code)


@pytest.mark.parametrize("status", [200, 502])
def test_pages_come_instead_of_answers_when_ordered(app: IntuitApp, status: int) -> None:
    app.sandbox.fault("quickbooks", "html", status=status)
    answer = app.call("GET", "/preferences")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")


def test_a_lost_answer_is_found_again_by_its_request_id(app: IntuitApp) -> None:
    who = app.create_customer()
    app.sandbox.fault("quickbooks", "drop_after", method="POST", path="*/invoice")
    with pytest.raises(requests.ConnectionError):
        app.call("POST", "/invoice", build_document(who, DocNumber="PF-1"), requestid="one")
    again = app.create("Invoice", build_document(who, DocNumber="PF-1"), requestid="one")
    assert again["DocNumber"] == "PF-1"
    assert app.query("select count(*) from Invoice") == {"totalCount": 1}


def test_a_request_id_replays_the_first_answer_whatever_is_asked(app: IntuitApp) -> None:
    first = app.create("Customer", {"DisplayName": "First"}, requestid="one")
    assert app.create("Customer", {"DisplayName": "Second"}, requestid="one") == first
    assert app.create("Customer", {"DisplayName": "Second"}, requestid="two") != first


@pytest.mark.parametrize("how", ["clock", "steering"])
def test_a_request_id_is_soon_forgotten(app: IntuitApp, how: str) -> None:
    who = app.create_customer()
    app.create("Invoice", build_document(who, DocNumber="PF-1"), requestid="one")
    if how == "clock":
        app.sandbox.advance(301)
    else:
        app.send_orders(forget_requests=True)
    code, detail = app.get_refusal("Invoice", build_document(who, DocNumber="PF-1"), requestid="one")
    assert code == "6140"
    assert "TxnId=" in detail


def test_a_refused_write_may_be_tried_again_under_its_request_id(app: IntuitApp) -> None:
    app.get_refusal("Customer", {"DisplayName": "A:B"}, requestid="one")
    assert app.create("Customer", {"DisplayName": "A B"}, requestid="one")["DisplayName"] == "A B"


def test_a_request_id_has_at_most_fifty_characters(app: IntuitApp) -> None:
    assert app.get_refusal("Customer", {"DisplayName": "A"}, requestid="x" * 51)[0] == "2130"


# ---- the query language ---------------------------------------------------------------------------


def list_names(app: IntuitApp, condition: str) -> list[str]:
    rows = app.query(" ".join(["select * from Customer", condition])).get("Customer", [])
    return [row["DisplayName"] for row in rows]


def test_texts_are_escaped_with_backslashes(app: IntuitApp) -> None:
    for name in ("O'Brien", "back\\slash", "50% off", "plain"):
        app.create_customer(name)
    assert list_names(app, r"where DisplayName = 'O\'Brien'") == ["O'Brien"]
    assert list_names(app, r"where DisplayName = 'back\\slash'") == ["back\\slash"]
    assert list_names(app, "where DisplayName like '%off'") == ["50% off"]
    assert list_names(app, "where DisplayName in ('plain', 'O\\'Brien') orderby DisplayName desc") == [
        "plain",
        "O'Brien",
    ]
    assert app.call("GET", "/query", query="select * from Customer where DisplayName = 'O'Brien'").status_code == 400


def test_pages_are_cut_by_start_and_size(app: IntuitApp) -> None:
    for number in range(5):
        app.create_customer(f"Customer {number}")
    assert list_names(app, "orderby DisplayName startposition 2 maxresults 2") == ["Customer 1", "Customer 2"]
    assert app.query("select * from Customer startposition 6") == {}
    assert app.query("select count(*) from Customer where DisplayName like 'Customer%'") == {"totalCount": 5}
    answer = app.call("GET", "/query", query="select * from Customer maxresults 1001")
    assert get_first_error(answer.json()["Fault"])[0] == "4001"


def test_retired_customers_are_listed_only_when_asked_for(app: IntuitApp) -> None:
    created = app.create("Customer", {"DisplayName": "Gone"})
    app.create("Customer", {"Id": created["Id"], "SyncToken": "0", "sparse": True, "Active": False})
    assert list_names(app, "") == []
    assert list_names(app, "where Active in (true, false)") == ["Gone (deleted)"]
    assert app.create_customer("Gone")


def test_amounts_days_and_instants_are_compared_as_what_they_are(app: IntuitApp) -> None:
    who = app.create_customer()
    for number, amount in (("A", "9.50"), ("B", "100.00")):
        app.create("Invoice", build_document(who, amount, DocNumber=number))
    count = "select count(*) from Invoice where"
    assert app.query(f"{count} TotalAmt > '10'") == {"totalCount": 1}
    assert app.query(f"{count} Balance > '0' and CustomerRef = '{who}'") == {"totalCount": 2}
    assert app.query(f"{count} TxnDate >= '2026-05-02'") == {"totalCount": 0}
    assert app.query(f"{count} MetaData.LastUpdatedTime > '2020-01-01T00:00:00-07:00'") == {"totalCount": 2}


def test_rows_are_in_the_order_of_counting_by_whatever_they_are_asked_for(app: IntuitApp) -> None:
    keys = [row["Id"] for row in app.query("select * from Account orderby Id")["Account"]]
    assert (keys, len(keys) > 9) == (sorted(keys, key=int), True)
    people = [app.create_customer("First"), app.create_customer("Second")]
    created = [app.create("Invoice", build_document(people[n % 2], DocNumber=f"N-{n}"))["Id"] for n in range(4)]
    asked = {"Id": created, "DocNumber": ["n-3", "N-0", "N-2", "N-1"], "CustomerRef": people}
    for field, values in asked.items():
        expected = ", ".join(f"'{value}'" for value in reversed(values))
        rows = app.query(" ".join(["select * from Invoice where", field, f"in ({expected}) orderby Id"]))["Invoice"]
        assert [row["Id"] for row in rows] == created
    both = ["select * from Invoice where DocNumber = 'N-1' and Id =", f"'{created[0]}'"]
    assert app.query(" ".join(both)) == {}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("select * from Invoice where PrivateNote = 'PF'", "4001"),
        ("select * from Nothing", "4001"),
        ("select * from invoice", "4001"),
        ("select * from Invoice where DocNumber != '1'", "4000"),
        ("select * from Invoice where DocNumber = '1' or DocNumber = '2'", "4000"),
        ("delete from Invoice", "4000"),
        ("select * from Invoice where (DocNumber = '1')", "4000"),
    ],
)
def test_what_the_language_does_not_know_is_refused(app: IntuitApp, statement: str, code: str) -> None:
    answer = app.call("GET", "/query", query=statement)
    assert answer.status_code == 400
    assert get_first_error(answer.json()["Fault"])[0] == code


def test_a_statement_may_be_the_body_of_a_post(app: IntuitApp) -> None:
    answer = app.call("POST", "/query", text="select * from Account where AccountType = 'Bank'")
    assert [row["Name"] for row in answer.json()["QueryResponse"]["Account"]] == [
        "Business Bank Account",
        "Wise-Pay Clearing",
    ]


# ---- batches --------------------------------------------------------------------------------------


def test_each_operation_of_a_batch_stands_or_falls_alone(app: IntuitApp) -> None:
    who = app.create_customer()
    found = app.batch(
        {"bId": "good", "operation": "create", "Invoice": build_document(who, DocNumber="PF-1")},
        {"bId": "twice", "operation": "create", "Invoice": build_document(who, DocNumber="PF-1")},
        {"bId": "nobody", "operation": "create", "Invoice": build_document("99999")},
        {"bId": "memo", "operation": "create", "CreditMemo": build_document(who, DocNumber="PF_CR-1")},
        {"bId": "asks", "Query": "select count(*) from Invoice"},
        {"bId": "odd", "operation": "juggle", "Invoice": build_document(who)},
    )
    assert found["good"]["Invoice"]["DocNumber"] == "PF-1"
    assert get_first_error(found["twice"]["Fault"])[0] == "6140"
    assert get_first_error(found["nobody"]["Fault"])[0] == "2500"
    assert found["memo"]["CreditMemo"]["Balance"] == 110
    assert found["asks"]["QueryResponse"] == {"totalCount": 1}
    assert get_first_error(found["odd"]["Fault"])[0] == "500"


def test_a_batch_holds_thirty_operations(app: IntuitApp) -> None:
    rows: list[dict[str, Any]] = [{"bId": str(n), "Query": "select * from Term"} for n in range(31)]
    assert len(app.batch(*rows[:30])) == 30
    answer = app.call("POST", "/batch", {"BatchItemRequest": rows})
    assert get_first_error(answer.json()["Fault"])[0] == "1040"


def test_a_batch_deletes_and_voids(app: IntuitApp) -> None:
    who = app.create_customer()
    first, second = (app.create("Invoice", build_document(who)) for _ in range(2))
    found = app.batch(
        {"bId": "1", "operation": "delete", "Invoice": {"Id": first["Id"], "SyncToken": "0"}},
        {"bId": "2", "operation": "void", "Invoice": {"Id": second["Id"], "SyncToken": "0"}},
    )
    assert found["1"]["Invoice"] == {"status": "Deleted", "domain": "QBO", "Id": first["Id"]}
    assert found["2"]["Invoice"]["TotalAmt"] == 0


def test_a_whole_batch_is_replayed_by_its_request_id(app: IntuitApp) -> None:
    rows = [{"bId": "1", "operation": "create", "Customer": {"DisplayName": "Once"}}]
    assert app.batch(*rows, requestid="b1") == app.batch(*rows, requestid="b1")


def test_the_librarys_batches_are_understood(app: IntuitApp) -> None:
    created = []
    for name in ("One", "Two", "One"):
        customer = Customer()
        customer.DisplayName = name
        created.append(customer)
    body = BatchManager("create").list_to_batch_request(created).to_json()
    client = app.build_library()
    answer = client.post(f"{client.api_url}/company/{app.realm}/batch", body, request_id="b1")
    codes = [row["Fault"]["Error"][0]["code"] for row in answer["BatchItemResponse"] if "Fault" in row]
    assert (len(answer["BatchItemResponse"]), codes) == (3, ["6240"])


# ---- captured changes -----------------------------------------------------------------------------


def test_changes_of_many_kinds_come_in_one_answer_deletions_too(app: IntuitApp) -> None:
    who = app.create_customer()
    saved, gone = (app.create("Invoice", build_document(who)) for _ in range(2))
    app.sandbox.advance(10)
    since = app.sandbox.get("/_control/health").json()["now"]
    app.create("Payment", build_payment(who, "110.00", build_linked_line("Invoice", saved["Id"], "110.00")))
    app.call("POST", "/invoice", {"Id": gone["Id"], "SyncToken": "0"}, operation="delete")
    answer = app.call("GET", "/cdc", entities="Invoice,Payment,Customer", changedSince=since).json()
    invoices, payments, customers = answer["CDCResponse"][0]["QueryResponse"]
    assert {row["Id"]: row.get("status") for row in invoices["Invoice"]} == {saved["Id"]: None, gone["Id"]: "Deleted"}
    assert payments["totalCount"] == 1
    assert customers == {}


def test_changes_reach_thirty_days_back(app: IntuitApp) -> None:
    since = app.sandbox.get("/_control/health").json()["now"]
    app.sandbox.advance(31 * 86_400)
    app.tokens = app.refresh(app.tokens["refresh_token"]).json()
    answer = app.call("GET", "/cdc", entities="Invoice", changedSince=since)
    assert get_first_error(answer.json()["Fault"])[0] == "2190"
    assert get_first_error(app.call("GET", "/cdc", changedSince=since).json()["Fault"])[0] == "2020"
