"""What the tenant's tables hold of people."""

from wisepay.personal_data.registry import PersonalData, declare_not_personal, declare_personal

declare_personal(
    PersonalData(
        "merchants.Merchant",
        "A business and its public contact; its own to change.",
        "keep",
        fields=("contact_email", "contact_phone"),
        address=("contact_email__iexact",),
    ),
    PersonalData(
        "merchants.Membership",
        "Who works for a merchant, as long as they do.",
        "delete",
        fields=("role", "saved_views"),
        person=("user",),
    ),
    PersonalData(
        "merchants.MemberInvitation",
        "Who was invited to work for a merchant, and by whom; deleted some time after it was answered or ran out.",
        "delete",
        fields=("email",),
        person=("invited_by",),
        address=("email__iexact",),
        hidden=("token_digest",),
    ),
    PersonalData(
        "merchants.PayNowLink",
        "In whose name a key was made: part of the merchant's own records.",
        "keep",
        fields=("kind",),
        person=("acts_as",),
    ),
    PersonalData(
        "merchants.Terms",
        "Who wrote a version of a text: part of what was agreed.",
        "keep",
        fields=("created_by",),
        person=("created_by",),
    ),
    PersonalData(
        "merchants.Notification",
        "What a merchant's people were told, some of it about a payer.",
        "delete",
        fields=("title", "body"),
        person=("user",),
        address=("body__icontains", "title__icontains"),
    ),
)
declare_not_personal("A merchant's settings.", "merchants.EventNotification", "merchants.Role")
