"""The suite's own promise: whatever happens to pytest, nothing that it started stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import wait_until

OWNER = """
import signal, sys, time
from pathlib import Path
from processes import Process
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & leaves it ignored
sleeper = Process("sleeper", ["sleep", "600"], {"PATH": "/usr/bin:/bin"}, Path(sys.argv[1]))
sleeper.start()
print(sleeper.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_children_die_with_their_owner(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        child = int(owner.stdout.readline())
        assert _alive(child)
        os.kill(owner.pid, number)
        owner.wait(20)
    wait_until(lambda: not _alive(child), "the child ended with its owner", 20)


def _alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
