"""Credits to apply: find the invoice that a PF_CR credit note belongs to, and allocate it."""
