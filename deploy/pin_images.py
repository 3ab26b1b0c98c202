"""`make pin`: write the digest of every image beside its tag, for each registry that answers."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
FILES = ("docker-compose.yml", "Dockerfile")
# `image: name:tag` and `FROM name:tag AS build`, with the digest of an earlier run or without one.
IMAGE = re.compile(r"^(?P<before>\s*image: |FROM )(?P<name>[\w./-]+):(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]{64})?", re.M)
OURS = "wisepay"  # is built here and comes from no registry
REGISTRY, TOKENS = "https://registry-1.docker.io", "https://auth.docker.io/token"
INDEXES = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
TIMEOUT = (3, 10)  # seconds to connect, seconds to answer

FindDigest = Callable[[str, str], str | None]


def fetch_digest(name: str, tag: str) -> str | None:
    """The digest of an image of Docker Hub, over all platforms; None when the registry does not answer."""
    path = name if "/" in name else f"library/{name}"
    scope = {"service": "registry.docker.io", "scope": f"repository:{path}:pull"}
    try:
        token = requests.get(TOKENS, params=scope, timeout=TIMEOUT).json()["token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": INDEXES}
        answer = requests.head(f"{REGISTRY}/v2/{path}/manifests/{tag}", headers=headers, timeout=TIMEOUT)
        answer.raise_for_status()
    except (requests.RequestException, ValueError, KeyError):
        return None
    digest = answer.headers.get("Docker-Content-Digest", "")
    return digest if re.fullmatch(r"sha256:[0-9a-f]{64}", digest) else None


def pin_images(root: Path, find_digest: FindDigest) -> list[str]:
    """Write the digests into the files below `root`; answer a line for each image, pinned or not."""
    digests: dict[tuple[str, str], str | None] = {}

    def write(found: re.Match[str]) -> str:
        image = found["name"], found["tag"]
        if found["name"] == OURS:
            return found[0]
        if image not in digests:
            digests[image] = find_digest(*image)
        return f"{found['before']}{':'.join(image)}@{digests[image]}" if digests[image] else found[0]

    for path in (root / name for name in FILES):
        path.write_text(IMAGE.sub(write, path.read_text()))
    return [f"{name}:{tag} {digest or NO_ANSWER}" for (name, tag), digest in digests.items()]


NO_ANSWER = "is left as it was: its registry does not answer here, or does not have it"

if __name__ == "__main__":
    sys.stdout.write("\n".join(pin_images(ROOT, fetch_digest)) + "\n")
