"""The terms a merchant starts with, in plain words. {merchant}, {contact}, {email} and {phone} are filled in."""

from merchants.models import Terms

TermsKind = Terms.Kind

DEFAULT_TERMS: dict[str, str] = {
    TermsKind.USER_ACCOUNT.value: """\
This account lets you pay {merchant}, keep payment methods for later, and look at what you paid.

You give your own name and an e-mail address that you can read. Keep your password to yourself, and tell {merchant} \
if you think that somebody else used your account.

What you do here is shown to {merchant}, who bills you. {merchant} can end your access to a company; what was paid \
stays on record.

Questions: {contact}.""",
    TermsKind.SAVED_CARD.value: """\
You ask {merchant} to keep this card for payments that you order later.

The card's number is kept by the payment provider of {merchant} and never by {merchant}. You are the holder of the \
card, or its holder allowed you to save it.

Saving the card takes no money. You can remove it at any time; payments that were ordered before still go through.

Questions: {contact}.""",
    TermsKind.SAVED_BANK_ACCOUNT.value: """\
You ask {merchant} to keep this bank account for debits that you order later.

The account's details are kept by the payment provider of {merchant} and never by {merchant}. You may order debits \
of this account by yourself.

Saving the account takes no money. You can remove it at any time; debits that were ordered before still go through.

Questions: {contact}.""",
    TermsKind.PAYMENT.value: """\
You order {merchant} to charge the amount that you are shown to the payment method that you choose, once.

The amount counts as paid when the payment provider confirms it. If it is for a quote, it is kept as a credit until \
{merchant} sends the invoice, and is then set off against it.

If something is wrong with the payment, contact {merchant} first: {contact}.""",
    TermsKind.DIRECT_DEBIT.value: """\
You allow {merchant}, through its payment provider, to debit the bank account that you give.

A debit takes some banking days to settle. Have enough money in the account on the day; your bank may charge you \
for a debit that it returns, and the amount is then due again.

You are told before a debit is made of an amount that you did not order yourself. If a debit is wrong, contact \
{merchant} ({contact}) or your bank; your bank's rules on getting a debit back apply.

You can end this permission at any time by removing the account here or by writing to {merchant}.""",
    TermsKind.AUTOMATIC_PAYMENTS.value: """\
You allow {merchant} to charge invoices of your company to the payment method that you choose, each when its billing \
term says so, until you take this back.

You see every payment that is planned before it is made. Amounts vary with what was invoiced.

You can end automatic payments at any time; a payment that is being made already still goes through.

Questions: {contact}.""",
}
