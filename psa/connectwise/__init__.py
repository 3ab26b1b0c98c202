"""ConnectWise PSA (Manage) as one implementation of the Psa protocol."""
