"""Downloads the packages kept for evaluation, so that `build` can keep their texts out.

python -m models.training.data.guard.fetch_offlimits CACHE
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .fetch import pip_download
from .sources import OFF_LIMITS


def main() -> None:
    """Fetches them; nothing is unpacked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    cache: Path = parser.parse_args().cache
    for package in OFF_LIMITS:
        pip_download(package, cache / "offlimits")


if __name__ == "__main__":
    main()
