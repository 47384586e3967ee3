"""The name of a bundle's content."""

from __future__ import annotations

import hashlib
import json


def revision(manifest: dict) -> str:
    """Names the whole bundle: its files, by their hashes, and how they are used, thresholds too."""
    rest = {key: value for key, value in manifest.items() if key != "revision"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:12]
