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
You ask {merchant} to keep this bank account for debits that you order later, or that you agree to be made \
automatically.

The account's details are kept by the payment provider of {merchant} and never by {merchant}. You may order debits \
of this account by yourself.

Saving the account by itself takes no money. You can remove it at any time; debits that were ordered before still go \
through.

Questions: {contact}.""",
    TermsKind.PAYMENT.value: """\
You order {merchant} to charge the amount that you are shown as due now to the payment method that you choose.

The amount counts as paid when the payment provider confirms it. If it is for a quote, it is kept as a credit until \
{merchant} sends the invoice, and is then set off against it.

If something is wrong with the payment, contact {merchant} first: {contact}.""",
    TermsKind.DIRECT_DEBIT.value: """\
You allow {merchant} to debit the bank account that you give, electronically and through its payment provider Stripe, \
and to credit it where a debit was wrong. You are its holder, or may order debits of it by yourself.

What is debited. When you order one payment: the amount that stands above the button, a single time. When you agreed \
to automatic payments, or to what recurs on a quote: each amount that is due under that agreement, until it ends. \
When you only save the account: nothing, before you order a payment or agree to automatic ones.

When. A payment that you order is sent to your bank on that day or the next banking day, and takes some banking days \
to settle. Before every debit that you do not order yourself you are told by e-mail its amount, its day and the last \
four digits of the account. Have enough money there on the day: your bank may charge you for a debit that it returns, \
a debit that is returned for want of money may be presented twice more, and the amount stays due.

A copy of this permission is mailed to you. Please keep it, or print this page.

How to end it. Remove the account in your Wise-Pay account or write to {merchant}: {contact}. To stop a debit that you \
were told of, do so three banking days before its day; one that was sent already can't be stopped here.

If a debit is wrong, or you did not allow it, tell {merchant} ({contact}) or your bank soon; your bank's rules on \
getting a debit back apply.

In the United States, debits follow the rules of the ACH network (Nacha). Tell your bank of a debit that you did not \
allow within 60 days of the statement that shows it, or within two banking days where the account is a business's.

In Australia, this is your Direct Debit Request. You authorise Stripe Payments Australia Pty Ltd (ACN 160 180 343, \
Direct Debit User ID 507156) to debit your account through the Bulk Electronic Clearing System on behalf of {merchant} \
for the amounts that {merchant} tells you of, and you accept Stripe's Direct Debit Request service agreement \
(https://stripe.com/au-becs-dd-service-agreement/legal). Changes of this request are told to you 14 days before.

In Canada, this is a pre-authorised debit agreement for personal or business use, as your account is. You agree that \
the notice before a debit may be as short as stands in this text. You have rights if a debit does not follow this \
agreement; your bank and www.payments.ca say which.

Elsewhere, the mandate of your country's scheme is shown in the payment provider's form above.""",
    TermsKind.AUTOMATIC_PAYMENTS.value: """\
You allow {merchant} to charge the payment method that you choose without asking you each time: what recurs on the \
quote that you accept, as often and for as long as stands above the button, or the invoices of your company, each when \
its billing term says so. Amounts are those of the invoices, and vary with what was invoiced.

Before each payment you are told by e-mail its amount, its day and the method. Your Wise-Pay account shows every \
payment that is planned. A payment that fails may be tried again on later days, and a second method that you chose \
may be charged instead; you are told of that as well.

This lasts until the number of payments is reached, or until you end it. You can end it at any time in your Wise-Pay \
account or by writing to {merchant}; a payment that is being made already still goes through.

Questions: {contact}.""",
}
