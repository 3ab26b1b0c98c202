"""Personal data in the tables of the ground, and of the libraries that it uses."""

from typing import Any

from wisepay.personal_data.changes import blank, pseudonymise
from wisepay.personal_data.registry import PersonalData, Subject, declare_not_personal, declare_personal


def close_account(value: Any, subject: Subject) -> bool:
    """Nobody signs in any more."""
    return False


def lock_password(value: Any, subject: Subject) -> str:
    """A password that nobody has."""
    return "!erased"


declare_personal(
    PersonalData(
        "wisepay.User",
        "The account; other rows point at it, so the row stays under a pseudonym.",
        "change",
        fields=("email", "name", "password", "last_login", "is_active"),
        person=("pk",),
        changes={
            "email": pseudonymise,
            "name": blank,
            "password": lock_password,
            "last_login": lambda value, subject: None,
            "is_active": close_account,
        },
        hidden=("password",),
    ),
    PersonalData(
        "wisepay.StateChange",
        "Who moved a row; the move itself is a record of the books.",
        "change",
        fields=("by",),
        address=("by__iexact",),
        changes={"by": pseudonymise},
    ),
    PersonalData(
        "wisepay.RateWindow",
        "Counts against abuse, by address or network; deleted after two days anyway.",
        "delete",
        fields=("key",),
        address=("key__icontains",),
    ),
    PersonalData(
        "wisepay.RefusedEmailAddress",
        "Addresses that take no mail, until one is taken again.",
        "delete",
        fields=("address", "reply"),
        address=("address__iexact",),
    ),
    PersonalData(
        "wisepay.AuditDetails",
        "What the audit log says of people; its rows stay, with salted digests, and its parts are blanked.",
        "keep",
        fields=("name", "email", "ip", "agent", "subject", "detail", "about_id"),
        person=("entries__user", "about_id"),
        address=("email__iexact",),
        hidden=("person_salt", "content_salt", "person_erasure", "content_erasure"),
    ),
    PersonalData(
        "wisepay.AuditEntry",
        "That something was done, when and at which merchant: kept as long as the audit log.",
        "keep",
        fields=("user",),
        person=("user",),
        hidden=("person_digest", "content_digest", "mac"),
    ),
    PersonalData(
        "account.EmailAddress",
        "Addresses that a person proved or waits to prove.",
        "delete",
        fields=("email",),
        person=("user",),
        address=("email__iexact",),
    ),
    PersonalData(
        "mfa.Authenticator",
        "Second factors.",
        "delete",
        fields=("data",),
        person=("user",),
        hidden=("data",),
    ),
    PersonalData(
        "usersessions.UserSession",
        "Where a person is signed in; goes with the session.",
        "delete",
        fields=("ip", "user_agent", "session_key"),
        person=("user",),
        hidden=("session_key", "data"),
    ),
    PersonalData(
        "socialaccount.SocialAccount",
        "Sign-on with another account.",
        "delete",
        fields=("uid", "extra_data"),
        person=("user",),
    ),
    PersonalData(
        "socialaccount.SocialToken",
        "Not stored by us; would go with its account.",
        "delete",
        fields=("token", "token_secret"),
        person=("account__user",),
        hidden=("token", "token_secret"),
    ),
    PersonalData(
        "admin.LogEntry",
        "What operators changed by hand: a record of their work, as the audit log is.",
        "keep",
        fields=("object_repr", "change_message"),
        person=("user",),
    ),
)
declare_not_personal("A call with the ids of rows; done ones are deleted.", "wisepay.OutboxMessage")
declare_not_personal("Routes and hosts, without anybody's reference.", "wisepay.PageFinding", "wisepay.Heartbeat")
declare_not_personal(
    "Digests and signatures over the audit log.", "wisepay.AuditSeal", "wisepay.AuditHead", "wisepay.AuditCheckpoint"
)
declare_not_personal("A key that lives three days, of an address that has an entry.", "account.EmailConfirmation")
declare_not_personal("Whose rows are found by their user alone; ended at erasure.", "sessions.Session")
declare_not_personal(
    "Names of things in the program.",
    "socialaccount.SocialApp",
    "auth.Permission",
    "auth.Group",
    "contenttypes.ContentType",
)
