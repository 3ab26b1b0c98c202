"""PaymentIntents, SetupIntents, refunds, disputes and payouts of the practice Stripe."""
