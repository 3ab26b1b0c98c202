"""The ground: settings, users, money, states, outbox, secrets, logs."""
