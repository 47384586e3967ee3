"""The unit, its drop-ins and the scripts beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "commutator.service"
EXAMPLES = sorted((SYSTEMD / "examples").glob("*.conf"))
# Comes with the suite's own virtual environment.
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
MAX_EXPOSURE = 2.0


def systemd_version() -> int:
    """Version of systemd-analyze; skips where there is none."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    done = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True)
    return int(re.search(r"systemd (\d+)", done.stdout)[1])


def unit_settings(path: Path) -> dict[str, list[str]]:
    """The [Service] section, every key with all its values."""
    settings: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif section == "Service" and line and line[0] not in "#;":
            key, value = line.split("=", 1)
            settings.setdefault(key, []).append(value)
    return settings


def verify(tmp_path: Path, *drop_ins: Path, text: str | None = None) -> list[str]:
    """Complaints of `systemd-analyze verify`, for a copy whose paths exist here."""
    version = systemd_version()
    binary = tmp_path / "commutator"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    readme = SYSTEMD / "README.md"
    copy = tmp_path / "commutator.service"
    text = text if text is not None else UNIT.read_text()
    text = text.replace("/usr/bin/commutator", str(binary))
    copy.write_text(text.replace("file:/usr/share/doc/commutator/README.md", f"file:{readme}"))
    if version < 253:
        drop_ins = (SYSTEMD / "older-systemd.conf", *drop_ins)
    directory = tmp_path / "commutator.service.d"
    directory.mkdir()
    for drop_in in drop_ins:
        shutil.copy(drop_in, directory)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if line]
    if version < 253:
        # Expected, and mended by the drop-in.
        complaints = [line for line in complaints if "Failed to parse service type" not in line]
    elif done.returncode != 0:
        complaints.append(f"exit status {done.returncode}")
    return complaints


def test_unit_is_valid(tmp_path: Path) -> None:
    assert verify(tmp_path) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_valid(tmp_path: Path, example: Path) -> None:
    assert verify(tmp_path, example) == []


def test_the_check_can_fail(tmp_path: Path) -> None:
    text = UNIT.read_text().replace("PrivateTmp=yes", "PrivateTmpp=yes")
    assert any("PrivateTmpp" in line for line in verify(tmp_path, text=text))


def test_exposure_is_low() -> None:
    systemd_version()
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager",
         f"--threshold={int(MAX_EXPOSURE * 10)}", UNIT],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    level = re.search(r"exposure level for .*: ([\d.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) < MAX_EXPOSURE, done.stdout
    assert done.returncode == 0


def test_systemd_waits_longer_than_the_grace_period() -> None:
    stop = int(unit_settings(UNIT)["TimeoutStopSec"][0].removesuffix("s"))
    documented = re.search(r"`shutdown\.grace` in gateway\.yaml is (\d+) s", UNIT.read_text())
    assert documented and stop >= int(documented[1]) + 15
    shipped = SYSTEMD.parent / "conf" / "gateway.yaml"
    if shipped.exists() and (grace := re.search(r"^\s*grace:\s*(\d+)s", shipped.read_text(), re.M)):
        assert stop >= int(grace[1]) + 15


def test_an_upgrade_is_possible() -> None:
    """What the hand-over relies on; README.md, "Upgrade without a refused connection"."""
    settings = unit_settings(UNIT)
    assert settings["NotifyAccess"] == ["all"]
    assert settings["KillMode"] == ["control-group"]
    assert "ExecReload" not in settings, "it would make `systemctl reload` return before the policy serves"
    start = settings["ExecStart"][0].split()
    starter = (SYSTEMD / "start-upgrade").read_text().replace("\\\n", " ")
    command = re.search(r"setsid (.+?) >&3", starter)[1].split()
    assert sorted(set(command) - {"--upgrade"}) == sorted(start)


def test_user_and_directories_belong_together() -> None:
    settings = unit_settings(UNIT)
    (user,) = re.findall(r"^u\s+(\S+)", (SYSTEMD / "commutator.sysusers.conf").read_text(), re.M)
    assert settings["User"] == settings["Group"] == [user]
    tmpfiles = (SYSTEMD / "commutator.tmpfiles.conf").read_text()
    name, mode = settings["ConfigurationDirectory"][0], settings["ConfigurationDirectoryMode"][0]
    assert re.search(rf"^d\s+/etc/{name}\s+{mode}\s+root\s+{user}\s", tmpfiles, re.M)


def test_sysusers_and_tmpfiles_are_accepted(tmp_path: Path) -> None:
    if shutil.which("systemd-sysusers") is None or shutil.which("systemd-tmpfiles") is None:
        pytest.skip("systemd-sysusers or systemd-tmpfiles is not installed (Debian package systemd)")
    (tmp_path / "etc" / "commutator").mkdir(parents=True)
    for tool in (
        ["systemd-sysusers", f"--root={tmp_path}", SYSTEMD / "commutator.sysusers.conf"],
        ["systemd-tmpfiles", f"--root={tmp_path}", "--create", SYSTEMD / "commutator.tmpfiles.conf"],
    ):
        done = subprocess.run(tool, capture_output=True, text=True, timeout=60, check=False)
        assert "commutator" in (tmp_path / "etc" / "passwd").read_text()
        # Only root may give the files away.
        if "Operation not permitted" not in done.stderr:
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["install.sh", "commutator-upgrade", "start-upgrade"])
def test_scripts_are_clean(name: str) -> None:
    done = subprocess.run([SHELLCHECK, SYSTEMD / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (SYSTEMD / name).stat().st_mode & 0o111


@pytest.mark.parametrize("path", ["integration/run", ".ci/run"])
def test_the_test_script_is_clean(path: str) -> None:
    done = subprocess.run([SHELLCHECK, SYSTEMD.parent / path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (SYSTEMD.parent / path).stat().st_mode & 0o111
