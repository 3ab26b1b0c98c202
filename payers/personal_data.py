"""What the payers' tables hold of people."""

from wisepay.personal_data.changes import blank, empty, forget_host, pseudonymise
from wisepay.personal_data.registry import PersonalData, declare_not_personal, declare_personal

declare_personal(
    PersonalData(
        "payers.PayerCompany",
        "A client of the merchant's: the merchant's record, of which the person who was its contact goes.",
        "change",
        fields=("name", "email", "phone", "contacts"),
        address=("email__iexact",),
        changes={"email": blank, "phone": blank},
    ),
    PersonalData(
        "payers.ContactChange",
        "Who of the merchant's people said which accounting contact a company is: a record of the books.",
        "keep",
        fields=("user",),
        person=("user",),
    ),
    PersonalData(
        "payers.Payer",
        "What a person told about themselves, as long as they have an account.",
        "change",
        fields=("phone", "job_title", "address"),
        person=("user",),
        changes={"phone": blank, "job_title": blank, "address": empty},
    ),
    PersonalData(
        "payers.PayerAccess",
        "Which company a person may see, as long as they may.",
        "delete",
        fields=("scope", "origin", "invited_by", "typed_name", "typed_phone"),
        person=("user",),
    ),
    PersonalData(
        "payers.Registration",
        "Somebody who asked for an account while paying; what they paid stays, under a pseudonym.",
        "change",
        fields=("email", "name", "phone", "next_path"),
        person=("user",),
        address=("email__iexact",),
        changes={"email": pseudonymise, "name": blank, "phone": blank, "next_path": blank},
        hidden=("reference", "next_path"),
    ),
    PersonalData(
        "payers.Invitation",
        "Welcome mails and where they lead; goes with the access.",
        "delete",
        fields=("next_path",),
        person=("access__user",),
        hidden=("reference",),
    ),
    PersonalData(
        "payers.TermsAcceptance",
        "Proof of what was agreed: the text, when, and from which network. Law and the networks' rules need it.",
        "change",
        fields=("email", "ip", "user_agent"),
        person=("user",),
        address=("email__iexact",),
        changes={"email": pseudonymise, "ip": forget_host, "user_agent": blank},
        around=("terms__kind", "terms__version", "terms__text", "company__name", "company__merchant__name"),
    ),
    PersonalData(
        "payers.PayerNotification",
        "Which mails a person wants.",
        "delete",
        fields=("event", "is_enabled"),
        person=("user",),
    ),
)
declare_not_personal("Which accounting contacts a company is.", "payers.CompanyContact")
