"""A passkey in software: answers the requests of a page as a real one does, over the same JSON."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

Flag = AuthenticatorData.FLAG
HERE = "http://localhost"


@dataclass
class Passkey:
    """One key for one site. `origin` is what the browser says the page's origin is."""

    origin: str = HERE
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    handle: str = ""
    uses: int = 0

    def create(self, options: dict[str, Any], *, alone: bool = True) -> str:
        """Create the key; answers what the page posts. `alone`: it signs in without a password."""
        request = options["publicKey"]
        self.handle = request["user"]["id"]
        public = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]
        credential = AttestedCredentialData.create(Aaguid(bytes(16)), self.credential_id, public)
        data = AuthenticatorData.create(
            hashlib.sha256(request["rp"]["id"].encode()).digest(), Flag.UP | Flag.UV | Flag.AT, 0, credential
        )
        attestation = AttestationObject.create("none", data, {})
        client_data = self._client_data("webauthn.create", request["challenge"])
        extensions = {"credProps": {"rk": alone}}
        return self._build_post({"attestationObject": attestation, "clientDataJSON": client_data}, extensions)

    def answer(self, options: dict[str, Any]) -> str:
        """Sign the page's challenge; answers what the page posts."""
        request = options["publicKey"]
        self.uses += 1
        data = AuthenticatorData.create(hashlib.sha256(request["rpId"].encode()).digest(), Flag.UP | Flag.UV, self.uses)
        client_data = self._client_data("webauthn.get", request["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        answer = {"authenticatorData": data, "clientDataJSON": client_data, "signature": signature}
        return self._build_post(answer | {"userHandle": websafe_decode(self.handle)}, {})

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return CollectedClientData.create(kind, challenge, self.origin)

    def _build_post(self, response: dict[str, bytes], extensions: dict[str, Any]) -> str:
        name = websafe_encode(self.credential_id)
        encoded = {part: websafe_encode(bytes(raw)) for part, raw in response.items()}
        whole = {"id": name, "rawId": name, "type": "public-key", "response": encoded}
        return json.dumps(whole | {"clientExtensionResults": extensions})
