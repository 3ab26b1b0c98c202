"""Money that the bank took back after it had arrived, and that came back again: disputes."""
