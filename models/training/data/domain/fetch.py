"""Fetches WordNet for the domain classifier's data. Usage: fetch.py CACHE"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from packages import Package, fetch  # noqa: E402

WORDNET = Package(
    "debian", "wordnet-base", "1:3.0-37", "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752"
)

if __name__ == "__main__":
    print(fetch(WORDNET, Path(sys.argv[1])) / "usr/share/wordnet/data.noun")
