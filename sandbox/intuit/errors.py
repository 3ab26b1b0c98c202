"""How the practice Intuit refuses: to a whole call, or to one object of it."""

from __future__ import annotations

from typing import Any

from sandbox.core.service import RefusedError

INACTIVE_MESSAGE = (
    "Something you're trying to use has been made inactive. "
    "Check the fields with accounts, customers, items, vendors or employees."
)


class IntuitValidationError(Exception):
    """An object breaks a rule of the books. Texts are in the vendor's words, `element` names the field."""

    def __init__(
        self, code: str, message: str, detail: str = "", *, element: str = "", kind: str = "ValidationFault"
    ) -> None:
        super().__init__(detail or message)
        self.error: dict[str, Any] = {"Message": message, "Detail": detail or message, "code": code}
        self.error |= {"element": element} if element else {}
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.error['code']} {self.error['Detail']}"

    @property
    def fault(self) -> dict[str, Any]:
        """What an answer shows under `Fault`."""
        return {"Error": [self.error], "type": self.kind}


def build_business_error(text: str) -> IntuitValidationError:
    """A rule of bookkeeping is broken (6000)."""
    message = "A business validation error has occurred while processing your request"
    return IntuitValidationError("6000", message, f"Business Validation Error: {text}")


def build_required_error(name: str) -> IntuitValidationError:
    """A field that must be there is not (2020)."""
    message = "Required param missing, need to supply the required value for the API"
    return IntuitValidationError("2020", message, f"Required parameter {name} is missing in the request", element=name)


def build_unknown_property_error(name: str) -> IntuitValidationError:
    """A field that this object does not have (2010)."""
    message = "Request has invalid or unsupported property"
    return IntuitValidationError(
        "2010", message, f"Property Name:{name} specified is unsupported or invalid", element=name
    )


def build_unreadable_error(detail: str) -> IntuitValidationError:
    """A body that is not JSON of the right shape (2010)."""
    return IntuitValidationError("2010", "Request has invalid or unsupported property", f"Property Name:{detail}")


def build_bad_reference_error(what: str) -> IntuitValidationError:
    """An id that points nowhere (2500)."""
    return IntuitValidationError("2500", "Invalid Reference Id", f"Invalid Reference Id : {what}")


def build_inactive_error() -> IntuitValidationError:
    """An id that points at something retired (610)."""
    return IntuitValidationError("610", "Object Not Found", f"Object Not Found : {INACTIVE_MESSAGE}")


def build_missing_error() -> IntuitValidationError:
    """No such object, or one that was deleted (610)."""
    return IntuitValidationError("610", "Object Not Found", f"Object Not Found : {INACTIVE_MESSAGE}")


def build_stale_error(who: str) -> IntuitValidationError:
    """The SyncToken is not the latest (5010)."""
    reason = f"You and {who} were working on this at the same time. {who} finished before you did"
    return IntuitValidationError(
        "5010", "Stale Object Error", f"Stale Object Error : {reason}, so your work was not saved."
    )


def build_too_long_error(name: str, text: str, most: int) -> IntuitValidationError:
    """A text of the wrong length (2050)."""
    message = "String length is either shorter or longer than supported by specification"
    return IntuitValidationError(
        "2050", message, f"Min:0 Max:{most} supported. Supplied length:{len(text)}", element=name
    )


def build_not_a_number_error(name: str, value: Any) -> IntuitValidationError:
    """A text where an amount belongs (2090)."""
    return IntuitValidationError("2090", "Invalid Number", f"Invalid Number : {str(value)[:40]}", element=name)


def build_unsupported_error(operation: str) -> IntuitValidationError:
    """An operation that this object does not support (500)."""
    return IntuitValidationError("500", "Unsupported Operation", f"Operation {operation} is not supported.")


def build_throttled_error(detail: str) -> RefusedError:
    """Too many calls (3001), without a Retry-After."""
    error = {"Message": "message=ThrottleExceeded; errorCode=003001; statusCode=429", "Detail": detail, "code": "3001"}
    return RefusedError(429, {"Fault": {"Error": [error], "type": "SERVICE"}})


def build_unauthenticated_error(detail: str) -> RefusedError:
    """A token that is not valid (3200). The gateway writes this in lower case, unlike every other fault."""
    text = "message=AuthenticationFailed; errorCode=003200; statusCode=401"
    error = {"message": text, "detail": detail, "code": "3200", "element": None}
    body: dict[str, Any] = {
        "warnings": None,
        "intuitObject": None,
        "fault": {"error": [error], "type": "AUTHENTICATION"},
    }
    body |= {"report": None, "queryResponse": None, "batchItemResponse": [], "attachableResponse": []}
    body |= {"syncErrorResponse": None, "requestId": None, "status": None, "cdcresponse": []}
    return RefusedError(401, body, {"WWW-Authenticate": 'Bearer realm="Intuit", error="invalid_token"'})


def build_forbidden_error() -> RefusedError:
    """A token of another company, or of an app that was disconnected (3100)."""
    text = "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403"
    return RefusedError(403, {"Fault": {"Error": [{"Message": text, "code": "3100"}], "type": "AuthorizationFault"}})


def build_system_error() -> dict[str, Any]:
    """The vendor's own breakdown (10000)."""
    text = "An application error has occurred while processing your request"
    detail = "System Failure Error: Internal error"
    return {"Fault": {"Error": [{"Message": text, "Detail": detail, "code": "10000"}], "type": "SystemFault"}}
