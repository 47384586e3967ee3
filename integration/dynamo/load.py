"""A steady load of short requests from a few clients, and what came of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import httpx

from chat import body
from processes import wait_until


class Load:
    """Counts the answers; everything that is not a 200 is kept as a line of text."""

    def __init__(self) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def wait_for(self, more: int) -> None:
        """Waits until `more` further requests were answered."""
        goal = self.answered + more
        wait_until(lambda: self.answered >= goal or self.failures, f"{more} more answers", 60)

    def run(self, url: str, model: str, number: int) -> None:
        """One client: requests one after the other on a kept connection until told to stop."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._stop.is_set():
                request = body(f"Hello from {number}", model)
                try:
                    answer = client.post(f"{url}/v1/chat/completions", json=request)
                    problem = (
                        "" if answer.status_code == 200 else f"{answer.status_code}: {answer.text}"
                    )
                except httpx.HTTPError as error:
                    problem = repr(error)
                with self._lock:
                    self.answered += 1
                    if problem:
                        self.failures.append(problem)

    def stop(self) -> None:
        """Lets every client finish its request."""
        self._stop.set()


@contextlib.contextmanager
def load(url: str, clients: int = 8, model: str = "MoM") -> Iterator[Load]:
    """Clients that keep asking until the block is left; all are joined then."""
    running = Load()
    threads = [
        threading.Thread(target=running.run, args=(url, model, number), daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop()
        for thread in threads:
            thread.join(60)
