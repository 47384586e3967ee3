"""Child processes that a test can kill, freeze or drain, and that never outlive pytest.

Every child leads a process group of its own and asks the kernel to be killed when its parent
dies (`PR_SET_PDEATHSIG`), so that not even `kill -9` of pytest leaves an orphan. That signal is
tied to the *thread* that started the child: start processes from the main thread only.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)
_alive: set[Process] = set()
_ports_given: set[int] = set()


def free_port() -> int:
    """A loopback port that nothing listens on now and that was not handed out before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _ports_given:
            _ports_given.add(port)
            return port


def wait_until(check: Callable[[], T], what: str, seconds: float = 30.0, pause: float = 0.02) -> T:
    """Polls `check` until it returns something true, and returns that; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not so: {what}")
        time.sleep(pause)


class Process:
    """One child process with its own log files, `NAME.out` and `NAME.err`."""

    def __init__(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], directory: Path
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.env = dict(env)
        self.out = directory / f"{name}.out"
        self.err = directory / f"{name}.err"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process. Its logs are appended to, so a restart keeps the earlier lines."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the parent-death signal needs the main thread")
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._child = subprocess.Popen(
                self.argv,
                env=self.env,
                cwd=self.out.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        _alive.add(self)

    @property
    def pid(self) -> int:
        """The process id; the process must have been started."""
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def returncode(self) -> int | None:
        """The exit status, negative for a signal; `None` while running."""
        return self._child.poll() if self._child is not None else None

    def kill(self) -> None:
        """SIGKILL to the whole group, and waits until the process is gone."""
        self._signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """SIGTERM: asks for a drain. Does not wait."""
        self._signal(signal.SIGTERM)

    def hang_up(self) -> None:
        """SIGHUP: asks for a reload."""
        self._signal(signal.SIGHUP)

    def freeze(self) -> None:
        """SIGSTOP: its sockets stay open, but nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        self._signal(signal.SIGCONT)

    def wait(self, seconds: float = 20.0) -> int:
        """Waits for the end and returns the exit status."""
        assert self._child is not None
        status = self._child.wait(seconds)
        _alive.discard(self)
        return status

    def log(self) -> str:
        """Everything written so far, standard output first."""
        return "".join(
            path.read_text("utf-8", "replace") for path in (self.out, self.err) if path.exists()
        )

    def _signal(self, number: int) -> None:
        if not self.running():
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def kill_all(processes: Sequence[Process]) -> None:
    """Kills the processes together, then waits for each: faster than one after the other."""
    for process in processes:
        process._signal(signal.SIGKILL)
    for process in processes:
        if process._child is not None:
            process.wait()


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@atexit.register
def _kill_leftovers() -> None:
    kill_all(list(_alive))
