"""The unit, the installer and the upgrade helper under a real systemd, with a stand-in for the binary.

systemd_lab.sh boots it in namespaces of its own. What the binary itself does with signals, sockets and
the notify socket is tested with the binary, elsewhere; here it is what systemd makes of the files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

OPS = Path(__file__).resolve().parent
SYSTEMD = OPS.parents[1] / "systemd"
UNAVAILABLE = 69

Results = dict[str, str]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared directory of a lab in which the driver ran to its end."""
    if not Path("/usr/bin/python3").exists():
        pytest.skip("the stand-in needs /usr/bin/python3: the sandbox hides interpreters in home directories")
    shared = tmp_path_factory.mktemp("lab")
    # The service's user reaches it through the mount, not through this path.
    shared.chmod(0o755)
    shutil.copytree(SYSTEMD, shared / "systemd")
    (shared / "models" / "bundle").mkdir(parents=True)
    # The lab's policy asks no model.
    (shared / "models" / "bundle" / "manifest.json").write_text("{}")
    for source, name in (
        ("lab_commutator.py", "commutator"),
        ("lab_driver.sh", "driver.sh"),
        ("lab_load.py", "load.py"),
    ):
        shutil.copy(OPS / source, shared / name)
    (shared / "commutator").chmod(0o755)
    (shared / "setup.sh").write_text("")
    (shared / "conf").mkdir()
    (shared / "conf" / "gateway.yaml").write_text("policy: policy.yaml\n")
    (shared / "conf" / "policy.yaml").write_text("version: 1\n")
    done = subprocess.run(
        ["bash", OPS / "systemd_lab.sh", shared],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stderr.strip().splitlines()[-1].removeprefix("SKIP: "))
    assert done.returncode == 0, done.stderr
    for name in ("driver.log", "unit.log", "load.json"):
        print(f"--- {name}\n{(shared / name).read_text() if (shared / name).exists() else '(none)'}")
    return shared


@pytest.fixture(scope="module")
def results(lab: Path) -> Results:
    """The driver's `name=value` lines."""
    lines = (lab / "driver.log").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and " " not in line.split("=", 1)[0])


def test_installs_starts_reloads_and_uninstalls(results: Results) -> None:
    for step in ("install", "install_again", "start", "reload", "uninstall"):
        assert results.get(step) == "0", step
    assert results["status_text"] == "serving"
    assert results["same_process_after_reload"] == "yes"


def test_the_sandbox_is_on(results: Results) -> None:
    assert results["seccomp"] == "2"
    assert results["no_new_privileges"] == "1"
    assert int(results["capabilities"], 16) == 0
    assert results["uid_is_services"] == "yes"


def test_an_upgrade_refuses_no_connection(results: Results, lab: Path) -> None:
    assert results["upgrade"] == "0"
    assert results["main_process_changed"] == "yes"
    load = json.loads((lab / "load.json").read_text())
    assert load["errors"] == {}
    assert len(load["answers"]) == 2, "both processes answered"


def test_the_new_process_is_a_full_member_of_the_unit(results: Results) -> None:
    assert results["seccomp_after"] == "2"
    assert int(results["capabilities_after"], 16) == 0
    assert results["parent_after"] == "1"
    assert results["cgroup_after"] == "/system.slice/commutator.service"
    assert results["dropin_removed"] == "yes"
    assert results["reload_after"] == "0"


def test_the_watchdog_follows_the_main_process(results: Results) -> None:
    assert results["main_after_watchdog"] == "same"
    assert results["restarts"] == "0"


def test_the_old_process_drains_and_goes(results: Results) -> None:
    assert results["old_process_drains"] == "yes"
    assert results["old_process_gone"] == "yes"


def test_a_failing_upgrade_leaves_the_old_process(results: Results) -> None:
    assert results["failing_upgrade"] == "1"
    assert results["main_after_failing"] == "same"
    assert results["active_after_failing"] == "active"


def test_stopping_during_an_upgrade_lets_the_old_process_drain(results: Results) -> None:
    assert results["upgrade_again"] == "0"
    assert results["stop"] == "0"
    assert results["result"] == "success"
    assert results["drained"] == "2"
