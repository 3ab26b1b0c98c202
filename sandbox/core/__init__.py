"""What every practice vendor stands on: the world's state, the journal, faults, OAuth, the control API."""
