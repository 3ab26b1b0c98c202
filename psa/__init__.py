"""ConnectWise PSA: the connection, and payments written back to its invoices."""
