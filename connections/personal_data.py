"""What the tables of connections hold of people: who connected, of the merchant's own staff."""

from wisepay.personal_data.registry import PersonalData, declare_not_personal, declare_personal

declare_personal(
    PersonalData(
        "connections.Connection",
        "Who connected the accounting package: a record of the merchant's.",
        "keep",
        fields=("connected_by",),
        address=("connected_by__iexact",),
        hidden=("remote_id",),
    ),
    PersonalData(
        "connections.ConnectionEvent",
        "Who did what to a connection; deleted after some weeks.",
        "keep",
        fields=("by",),
        address=("by__iexact",),
    ),
    PersonalData(
        "connections.Authorisation",
        "Somebody on the way to the accounting package and back; deleted after minutes.",
        "delete",
        fields=("user",),
        person=("user",),
        hidden=("state_digest",),
    ),
)
declare_not_personal("Which organisation belongs to which merchant.", "connections.LinkedOrganisation")
