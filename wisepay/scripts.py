"""Scripts of our pages: the hash by which a browser knows that one is as we shipped it."""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, staticfiles_storage


def find_script(path: str) -> Path:
    """The file that is served for a static path. Raises FileNotFoundError."""
    if isinstance(staticfiles_storage, ManifestStaticFilesStorage):
        return Path(settings.STATIC_ROOT) / staticfiles_storage.stored_name(path)
    found = finders.find(path)
    if found is None:
        raise FileNotFoundError(path)
    return Path(found)


def compute_integrity(path: str) -> str:
    """The value of `integrity` for a static script: the SHA-384 of the file as it is served."""
    file = find_script(path)
    return _hash_file(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_file(file: Path, changed_at: int) -> str:
    """Read once, and again when the file changed."""
    return hash_content(file.read_bytes())


def hash_content(content: bytes) -> str:
    """The hash of a script's bytes, as `integrity` writes it."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
