"""The payer's bank: answering the practice 3-D Secure page."""

import requests

from sandbox.harness.sandbox_process import SandboxProcess


def answer_three_d_secure(world: SandboxProcess, client_secret: str, *, outcome: str = "complete") -> None:
    """Press a button of the bank's page: `complete`, or anything else to fail."""
    intent = client_secret.split("_secret_")[0]
    url = f"{world.url}/stripe/3ds/{intent}?client_secret={client_secret}"
    requests.post(url, data={"outcome": outcome}, timeout=10).raise_for_status()
