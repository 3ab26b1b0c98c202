"""The audit log in words: what each action is called, and which kind it is of."""

KINDS = {
    "account": "Sign-ins and accounts",
    "people": "People and rights",
    "keys": "Keys and connections",
    "settings": "Settings and terms",
    "payments": "Payments and methods",
    "autopay": "Automatic payments",
    "books": "Accounting",
    "seen": "Seeing as a payer",
    "operator": "Operators",
}
# By the part before the dot, unless the action itself is named below.
KIND_OF_PREFIX = {
    "sign_in": "account", "sign_on": "account", "password": "account", "email": "account", "factor": "account",
    "session": "account", "payer": "people", "company": "people", "people": "people", "privacy": "people",
    "person": "people",
    "gateway": "keys", "cpq_integration": "keys", "paynow_link": "keys", "connection": "keys",
    "merchant": "settings", "events": "settings", "accounts": "settings", "terms": "settings", "audit": "settings",
    "payment": "payments", "method": "payments", "autopay": "autopay", "operator": "operator",
}  # fmt: skip
KIND_OF_ACTION = {
    "payer.seen_as": "seen",
    "payer.page_seen": "seen",
    "payer.seen_as_ended": "seen",
    "autopay.settings_saved": "settings",
    "autopay.term_saved": "settings",
    "autopay.term_removed": "settings",
    "credit.threshold": "settings",
    "gateway.bank_debits": "settings",
}
DESCRIPTIONS = {
    "accounts.saved": "Saved the accounts for postings",
    "audit.exported": "Exported the audit log",
    "autopay.cancelled": "Cancelled a scheduled payment",
    "autopay.mapped": "Switched on Auto-Pay",
    "autopay.proposal_accepted": "Accepted proposed automatic payments",
    "autopay.proposal_dismissed": "Dismissed proposed automatic payments",
    "autopay.requeued": "Queued a failed automatic payment again",
    "autopay.resolved": "Marked a failed automatic payment as resolved",
    "autopay.settings_saved": "Saved the settings of automatic payments",
    "autopay.term_removed": "Removed a billing term",
    "autopay.term_saved": "Saved a billing term",
    "autopay.unmapped": "Ended Auto-Pay",
    "books_task.done": "Marked a manual task as done",
    "company.mapped": "Mapped a company to an accounting contact",
    "company.renamed": "Renamed a company",
    "connection.all_disconnected": "Disconnected the accounting package",
    "connection.authorised": "Authorised an accounting connection",
    "connection.disconnected": "Disconnected an accounting connection",
    "cpq_integration.key_displayed": "Displayed the ConnectWise API key",
    "cpq_integration.key_replaced": "Replaced the ConnectWise API key",
    "cpq_integration.saved": "Saved the ConnectWise integration",
    "credit.apply": "Applied a credit",
    "credit.dismiss": "Dismissed a proposed credit",
    "credit.threshold": "Changed when credits apply themselves",
    "credit.undo": "Took an applied credit back",
    "download.requested": "Asked for a download from the accounting package",
    "email.added": "Added an e-mail address",
    "email.changed": "Changed the e-mail address of sign-in",
    "email.confirmation_mailed": "Was mailed a link to confirm an address",
    "email.confirmed": "Confirmed an e-mail address",
    "email.removed": "Removed an e-mail address",
    "events.saved": "Saved the event notifications",
    "factor.added": "Added a second factor",
    "factor.removed": "Removed a second factor",
    "factor.renewed": "Made new recovery codes",
    "gateway.bank_debits": "Switched bank debits",
    "gateway.keys_replaced": "Replaced the Stripe keys",
    "gateway.keys_saved": "Saved the first Stripe keys",
    "merchant.details_saved": "Saved the merchant's details",
    "method.removed": "Removed a payment method",
    "operator.acted": "An operator ran an action on",
    "operator.added": "An operator added",
    "operator.changed": "An operator changed",
    "operator.command_run": "An operator ran the command",
    "operator.deleted": "An operator deleted",
    "password.changed": "Changed the password",
    "password.reset": "Reset the password with a mailed link",
    "password.reset_mailed": "Was mailed a link to reset the password",
    "password.reset_unknown": "Asked to reset the password of an unknown address",
    "password.set": "Set a password",
    "payer.access_opened": "Opened a payer's access",
    "payer.invited": "Invited a payer",
    "payer.page_seen": "Looked at a page as a payer",
    "payer.registered": "Registered as a payer",
    "payer.removed": "Removed a payer",
    "payer.scope_changed": "Changed what a payer may see",
    "payer.seen_as": "Began to see as a payer",
    "payer.seen_as_ended": "Stopped seeing as a payer",
    "payer.welcome_resent": "Sent the Welcome mail again",
    "payment.refunded": "Refunded a payment",
    "payment_sync.requested": "Synced payments from the accounting package",
    "paynow_link.generated": "Generated a PayNow Link",
    "person.erased": "Erased a person",
    "person.exported": "Exported what is stored about a person",
    "postings.retried": "Retried accounting postings",
    "reconciliation.exported": "Exported a reconciliation",
    "reconciliation.known": "Marked a difference as known",
    "reconciliation.open_again": "Opened a difference again",
    "reconciliation.read": "Read Stripe and the books for reconciliation",
    "sign_in.code_mailed": "Was mailed a sign-in code",
    "sign_in.code_refused": "Entered a wrong mailed code",
    "sign_in.ended": "Signed out",
    "sign_in.factor_refused": "Failed the second factor",
    "sign_in.failed": "Failed to sign in",
    "sign_in.locked": "Was refused after too many failures",
    "sign_in.succeeded": "Signed in",
    "sign_on.added": "Connected another sign-on",
    "sign_on.removed": "Disconnected another sign-on",
    "terms.published": "Published terms",
    "unprocessed.credit": "Kept an unprocessed payment as credit",
    "unprocessed.by_hand": "Marked an unprocessed payment as fixed",
    "unprocessed.invoice": "Allocated an unprocessed payment to another invoice",
    "unprocessed.retry": "Retried an unprocessed payment",
}


def describe_action(action: str) -> str:
    """An action in words; one that has none by its own name."""
    return DESCRIPTIONS.get(action) or action.replace("_", " ").replace(".", ": ").capitalize()


def get_kind(action: str) -> str:
    """The kind that an action is of; accounting, unless its name says otherwise."""
    return KIND_OF_ACTION.get(action) or KIND_OF_PREFIX.get(action.partition(".")[0], "books")


def list_prefixes(kind: str) -> list[str]:
    """The first parts of the actions that are of this kind."""
    return [prefix for prefix, found in KIND_OF_PREFIX.items() if found == kind]
