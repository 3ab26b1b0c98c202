"""The payer's portal: Outstanding and Past Payments, receipts, saved methods, Transaction Search."""
