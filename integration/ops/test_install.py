"""systemd/install.sh, into a directory of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
SHIPPED_GATEWAY = "policy: policy.yaml\n"
SHIPPED_POLICY = "version: 1\n"


class Installation:
    """A DESTDIR, a stand-in for the binary, and configuration to ship."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.binary = base / "built"
        self.binary.write_text("#!/bin/sh\necho one\n")
        self.binary.chmod(0o755)
        self.conf = base / "conf"
        self.conf.mkdir()
        self.bundle = base / "models"
        (self.bundle / "cards").mkdir(parents=True)
        (self.bundle / "manifest.json").write_text("{}")
        (self.bundle / "cards" / "domain.md").write_text("# domain")
        (self.conf / "gateway.yaml").write_text(SHIPPED_GATEWAY)
        (self.conf / "policy.yaml").write_text(SHIPPED_POLICY)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SYSTEMD / "install.sh", *arguments],
            env={"PATH": os.environ["PATH"], "DESTDIR": str(self.root)},
            cwd=self.root.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def install(self, *arguments: str) -> str:
        sources = ("--binary", str(self.binary), "--bundle", str(self.bundle), "--conf", str(self.conf))
        done = self.run(*sources, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Path below the root -> (content, mode)."""
        return {
            str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mode & 0o777)
            for path in self.root.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_installs_everything_once_and_again(installation: Installation) -> None:
    installation.install()
    first = installation.files()
    assert {
        "etc/commutator/gateway.yaml",
        "etc/commutator/policy.yaml",
        "usr/local/bin/commutator",
        "usr/local/bin/commutator-upgrade",
        "usr/local/lib/commutator/start-upgrade",
        "usr/local/lib/systemd/system/commutator.service",
        "usr/local/lib/sysusers.d/commutator.conf",
        "usr/local/lib/tmpfiles.d/commutator.conf",
        "usr/local/share/commutator/bundle/manifest.json",
        "usr/local/share/commutator/bundle/cards/domain.md",
        "usr/local/share/doc/commutator/README.md",
        "usr/local/share/doc/commutator/drop-ins/low-ports.conf",
        "usr/local/share/doc/commutator/drop-ins/older-systemd.conf",
    } <= set(first)
    assert first["usr/local/bin/commutator"] == (installation.binary.read_bytes(), 0o755)
    assert first["etc/commutator/policy.yaml"][1] == 0o640
    assert first["usr/local/lib/systemd/system/commutator.service"][1] == 0o644
    installation.install()
    assert installation.files() == first


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/commutator"])
def test_paths_follow_the_prefix(installation: Installation, prefix: str) -> None:
    installation.install("--prefix", prefix)
    below = installation.root / prefix.lstrip("/")
    unit = (below / "lib/systemd/system/commutator.service").read_text()
    assert f"ExecStart={prefix}/bin/commutator run " in unit
    assert f"bin={prefix}/bin/commutator\n" in (below / "bin/commutator-upgrade").read_text()
    assert f"start={prefix}/lib/commutator/start-upgrade\n" in (below / "bin/commutator-upgrade").read_text()
    assert f"setsid {prefix}/bin/commutator run" in (below / "lib/commutator/start-upgrade").read_text()
    # The binary looks for its models from where it lies.
    assert (below / "bin/../share/commutator/bundle/manifest.json").is_file()
    # State and configuration do not move with it.
    assert "ConfigurationDirectory=commutator" in unit
    assert "--config /etc/commutator/gateway.yaml" in unit


def test_a_new_binary_replaces_the_old_one(installation: Installation) -> None:
    installation.install()
    target = installation.root / "usr/local/bin/commutator"
    before = target.stat().st_ino
    installation.binary.write_text("#!/bin/sh\necho two\n")
    installation.install()
    assert subprocess.run([target], capture_output=True, text=True, check=True).stdout == "two\n"
    # Renamed into place, not written over: the old one may be running.
    assert target.stat().st_ino != before


def test_the_operators_files_are_kept(installation: Installation) -> None:
    installation.install()
    policy = installation.root / "etc/commutator/policy.yaml"
    policy.write_text("version: 1 # mine\n")
    output = installation.install()
    assert policy.read_text() == "version: 1 # mine\n"
    assert policy.with_name("policy.yaml.new").read_text() == SHIPPED_POLICY
    assert "kept /etc/commutator/policy.yaml" in output
    assert not policy.with_name("gateway.yaml.new").exists()
    # Once the operator has taken the shipped one over, the copy goes.
    policy.write_text(SHIPPED_POLICY)
    installation.install()
    assert not policy.with_name("policy.yaml.new").exists()


def test_uninstall_keeps_configuration(installation: Installation) -> None:
    installation.install()
    done = installation.run("--uninstall")
    assert done.returncode == 0, done.stderr
    assert set(installation.files()) == {"etc/commutator/gateway.yaml", "etc/commutator/policy.yaml"}
    # Again, with nothing to remove.
    assert installation.run("--uninstall").returncode == 0


def test_purge_leaves_nothing(installation: Installation) -> None:
    installation.install()
    (installation.root / "var/lib/commutator").mkdir(parents=True)
    (installation.root / "var/lib/commutator/state").write_text("x")
    assert installation.run("--uninstall", "--purge").returncode == 0
    assert installation.files() == {}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--binary", "/nonexistent/commutator"], "no binary at /nonexistent/commutator"),
        (["--binary", "{conf}/gateway.yaml"], "is not executable"),
        (["--binary", "{binary}", "--bundle", "/nonexistent"], "no models in /nonexistent"),
        (["--binary", "{binary}", "--conf", "/nonexistent"], "no gateway.yaml in /nonexistent"),
        (["--prefix", "relative"], "--prefix must be absolute"),
        (["--prefix", "/opt/a b"], "--prefix may hold"),
        (["--prefix"], "--prefix needs a value"),
        (["--purge"], "--purge goes with --uninstall"),
        (["--frobnicate"], "unknown argument: --frobnicate"),
    ],
)
def test_errors_are_clear_and_change_nothing(
    installation: Installation, arguments: list[str], complaint: str
) -> None:
    filled = [word.format(conf=installation.conf, binary=installation.binary) for word in arguments]
    done = installation.run(*filled)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert not installation.root.exists()
