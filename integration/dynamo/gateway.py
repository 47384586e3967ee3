"""The gateway's own binary, started with a policy that a test wrote."""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from processes import Process, free_port, kill_all, wait_until
from prometheus_text import Metrics

ROOT = Path(__file__).resolve().parents[2]

STREAM_ERRORS = "commutator_stream_errors_total"
RETRIES = "commutator_upstream_retries_total"


def find_binary() -> Path:
    """`COMMUTATOR_BIN`, else the newer one of the release and the debug build."""
    given = os.environ.get("COMMUTATOR_BIN")
    if given:
        return Path(given).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [target / profile / "commutator" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        raise FileNotFoundError(
            f"no commutator binary below {target}: run `cargo build` or set COMMUTATOR_BIN"
        )
    return max(built, key=lambda path: path.stat().st_mtime)


def policy_for(*addresses: str, **timeouts: str) -> dict[str, Any]:
    """The policy most tests use, for one cluster of frontends that serve mock-a and mock-math.

    `timeouts` replaces single timeouts, such as `first_byte="1s"`.
    """
    return {
        "version": 1,
        "clusters": [
            {
                "name": "dynamo",
                "endpoints": {"static": list(addresses)},
                "timeouts": {
                    "connect": "1s",
                    "first_byte": "30s",
                    "idle": "30s",
                    "total": "120s",
                    **timeouts,
                },
            }
        ],
        "models": [
            {"name": "general", "cluster": "dynamo", "upstream_name": "mock-a"},
            {"name": "math", "cluster": "dynamo", "upstream_name": "mock-math"},
        ],
        "automatic_models": ["MoM", "auto"],
        "default_model": "general",
        "signals": {
            "keywords": [{"name": "math_words", "any": ["2+2", "integral", "equation"]}],
        },
        "decisions": [
            {
                "name": "math",
                "priority": 100,
                "when": {"keyword": "math_words"},
                "models": [{"name": "math"}],
                "plugins": [{"system_prompt": {"text": MATH_PROMPT, "mode": "prepend"}}],
            }
        ],
    }


MATH_PROMPT = "You are a mathematician."


class Gateway:
    """One `commutator run` process. Use it as a context manager.

    `policy` is a mapping or YAML text. `bootstrap` replaces top-level keys of the bootstrap file.
    `wait` is what must answer 200 before `start` returns: `readyz` (a frontend is ready) or
    `livez` (the process is up).
    """

    def __init__(
        self,
        policy: Mapping[str, Any] | str,
        bootstrap: Mapping[str, Any] | None = None,
        *,
        wait: str = "readyz",
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="commutator-")
        self.directory = Path(self._scratch.name)
        port, admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.admin = f"http://127.0.0.1:{admin_port}"
        self._wait = wait
        config = {
            "listeners": [{"address": f"127.0.0.1:{port}"}],
            "admin": {"address": f"127.0.0.1:{admin_port}"},
            "policy": "policy.yaml",
            "shutdown": {"grace": "10s"},
            "upgrade_socket": str(self.directory / "upgrade.sock"),
            **(bootstrap or {}),
        }
        self.policy_file = self.directory / "policy.yaml"
        self.write_policy(policy)
        config_file = self.directory / "gateway.yaml"
        config_file.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        self.process = Process(
            "gateway",
            [str(find_binary()), "run", "--config", str(config_file)],
            {**os.environ, "RUST_BACKTRACE": "1"},
            self.directory,
        )

    def __enter__(self) -> Gateway:
        try:
            self.start()
        except BaseException:
            print(self.logs())
            self.stop()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            print(self.logs())
        self.stop()

    def start(self) -> None:
        """Starts the process and waits until it can serve."""
        self.process.start()
        wait_until(self._answers, f"the gateway's /{self._wait} is 200", 30)

    def stop(self) -> None:
        """Kills the process and removes its directory. May be called twice."""
        kill_all([self.process])
        self._scratch.cleanup()

    def write_policy(self, policy: Mapping[str, Any] | str) -> None:
        """Replaces the policy file in one step, as an editor or a ConfigMap would."""
        text = policy if isinstance(policy, str) else yaml.safe_dump(dict(policy), sort_keys=False)
        fresh = self.policy_file.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(self.policy_file)

    def reload(self, policy: Mapping[str, Any] | str | None = None) -> httpx.Response:
        """Writes `policy`, when one is given, and asks the admin listener to load it."""
        if policy is not None:
            self.write_policy(policy)
        return httpx.post(f"{self.admin}/reload", timeout=10)

    def status(self) -> dict[str, Any]:
        """What `/status` says."""
        return httpx.get(f"{self.admin}/status", timeout=10).json()

    def metrics(self) -> Metrics:
        """The metrics page now."""
        return Metrics.of(f"{self.admin}/metrics")

    def access_log(self) -> list[dict[str, Any]]:
        """The access log so far, oldest request first; every complete line must be JSON."""
        text = self.process.out.read_text("utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def logged(self, request_id: str) -> dict[str, Any]:
        """The access-log line of one request. It is written after the answer: waits for it."""

        def lines() -> list[dict[str, Any]]:
            return [line for line in self.access_log() if line["request_id"] == request_id]

        (line,) = wait_until(lines, f"the access log has {request_id}")
        return line

    def logs(self, lines: int = 60) -> str:
        """The last lines of the log."""
        state = f"ended with {self.process.returncode()}"
        if self.process.running():
            state = "running"
        return "\n".join([f"--- gateway: {state}", *self.process.log().splitlines()[-lines:]])

    def _answers(self) -> bool:
        if self.process.returncode() is not None:
            raise AssertionError(f"the gateway ended with {self.process.returncode()}")
        try:
            return httpx.get(f"{self.admin}/{self._wait}", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


def changed(policy: Mapping[str, Any], **top_level: Any) -> dict[str, Any]:
    """A deep copy of `policy` with some top-level keys replaced."""
    return {**copy.deepcopy(dict(policy)), **top_level}
