"""PayNow Links of invoices: followed by a signature or by number and amount, read from the books, paid by guests."""
