"""The whole product in real Chromium, against a demo that runs as people run it."""
