"""Real ai-dynamo frontends and GPU-free mock workers on loopback, process by process."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from model_files import write_model
from processes import Process, free_port, kill_all, wait_until
from prometheus_text import Metrics

FULL_SPEED = 1_000_000.0
"""A `speedup` for as fast as it goes; 1 is about 18 ms to the first token and 6 ms a token."""


class DynamoProcess(Process):
    """A frontend or a worker: both log the arrival of a request as JSON."""

    def arrivals(self, request_id: str) -> list[dict[str, Any]]:
        """Its log lines about the arrival of the request with this `x-request-id`."""
        return [
            json.loads(line)
            for line in self.log().splitlines()
            if '"request received"' in line and f'"x_request_id":"{request_id}"' in line
        ]


class Frontend(DynamoProcess):
    """One Dynamo HTTP frontend."""

    def __init__(
        self, port: int, name: str, argv: Sequence[str], env: Mapping[str, str], logs: Path
    ):
        super().__init__(name, argv, env, logs)
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"

    def metrics(self) -> Metrics:
        """Its metrics page now."""
        return Metrics.of(f"{self.url}/metrics")

    def ready(self, model: str) -> bool:
        """Whether it can serve `model` at this moment."""
        try:
            return httpx.get(f"{self.url}/v1/models/{model}/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


class Worker(DynamoProcess):
    """One mock worker; `role` is `backend` (aggregated), `prefill` or `decode`."""

    def __init__(
        self,
        model: str,
        role: str,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        logs: Path,
    ):
        super().__init__(name, argv, env, logs)
        self.model = model
        self.role = role


class DynamoCluster:
    """Frontends and workers that share one discovery directory. Use it as a context manager.

    `workers` aggregated workers are started for each model, or `prefill` and `decode` workers when
    those are given; with `idle` only the frontends start, until `start_workers`. `speedup` is the
    mockers' pace, `blocks` the size of their KV cache in blocks of 16 tokens. `env`,
    `frontend_args` and `worker_args` are added to what every such process gets.
    """

    def __init__(
        self,
        models: Sequence[str] = ("mock-a",),
        *,
        frontends: int = 2,
        workers: int = 1,
        prefill: int = 0,
        decode: int = 0,
        router_mode: str = "round-robin",
        speedup: float = 1.0,
        blocks: int = 4096,
        idle: bool = False,
        frontend_args: Sequence[str] = (),
        worker_args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="dynamo-")
        self.directory = Path(self._scratch.name)
        self.models = list(models)
        self._speedup = speedup
        self._blocks = blocks
        self._idle = idle
        self._router_mode = router_mode
        self._frontend_args = list(frontend_args)
        self._worker_args = list(worker_args)
        self._env = self._environment(env or {})
        self._lacked_watches = False
        (self.directory / "logs").mkdir()
        (self.directory / "discovery").mkdir()
        self.frontends = [self._frontend(index) for index in range(frontends)]
        roles = ["prefill"] * prefill + ["decode"] * decode or ["backend"] * workers
        self.workers: list[Worker] = []
        for model in self.models:
            for role in roles:
                self.workers.append(self._worker(model, role))

    def __enter__(self) -> DynamoCluster:
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
        """Starts the frontends, the workers unless `idle`, and waits until every model is ready."""
        for process in self.frontends if self._idle else self.processes():
            process.start()
        for frontend in self.frontends:
            wait_until(lambda: self._answers(frontend), f"{frontend.name} answers", 60)
        self.wait_ready()

    def add_worker(self, model: str, program: Path, *flags: str) -> Worker:
        """One more worker, of another kind: `program` gets the model's directory, its name and a
        namespace, then `flags`. To be called before `start`."""
        namespace = _namespace(model)
        argv = [sys.executable, str(program), str(shared_model()), model, namespace, *flags]
        name = f"backend-{namespace}-{len(self.workers)}"
        worker = Worker(model, "backend", name, argv, self._env, self.directory / "logs")
        self.workers.append(worker)
        return worker

    def start_workers(self) -> None:
        """Starts the workers that do not run, and waits until every model is ready."""
        for worker in self.workers:
            if not worker.running():
                worker.start()
        self.wait_ready()

    def stop(self) -> None:
        """Kills what still runs and removes the directory. May be called twice."""
        kill_all(self.processes())
        self._look_for_lacking_watches()
        self._scratch.cleanup()

    @property
    def lacked_watches(self) -> bool:
        """Whether a frontend could not watch the discovery directory, now or before `stop`: it then never learns of
        some of its workers. The kernel's limit is `fs.inotify.max_user_instances`, and all of a user's processes
        share it."""
        self._look_for_lacking_watches()
        return self._lacked_watches

    def processes(self) -> list[Process]:
        """Frontends and workers."""
        return [*self.frontends, *self.workers]

    def addresses(self) -> list[str]:
        """`host:port` of every frontend."""
        return [frontend.address for frontend in self.frontends]

    def wait_ready(self) -> None:
        """Waits until every running frontend reports every model with workers as ready."""
        for frontend in self.frontends:
            for model in {worker.model for worker in self.workers if worker.running()}:
                if frontend.running():
                    wait_until(
                        lambda: self._dead_check() and frontend.ready(model),
                        f"{frontend.name} serves {model}",
                        60,
                    )

    def total(self, metric: str, **labels: str) -> float:
        """A metric summed over the running frontends."""
        return sum(
            frontend.metrics().total(metric, **labels)
            for frontend in self.frontends
            if frontend.running()
        )

    def served_by(self, request_id: str, seconds: float = 5.0) -> list[Worker]:
        """The workers that received the request with this `x-request-id`, by their own logs."""
        return wait_until(
            lambda: [worker for worker in self.workers if worker.arrivals(request_id)],
            f"a worker logged {request_id}",
            seconds,
        )

    def never_served(self, request_id: str) -> bool:
        """Whether no worker has logged this `x-request-id` so far."""
        return not any(worker.arrivals(request_id) for worker in self.workers)

    def logs(self, lines: int = 15) -> str:
        """The last lines of every process."""
        parts = []
        for process in self.processes():
            state = "running" if process.running() else f"ended with {process.returncode()}"
            parts.append(f"--- {process.name}: {state}")
            parts.extend(_short(line) for line in process.log().splitlines()[-lines:])
        return "\n".join(parts)

    def _look_for_lacking_watches(self) -> None:
        lacking = "Too many open files"
        self._lacked_watches |= any(lacking in frontend.log() for frontend in self.frontends)

    def _answers(self, frontend: Frontend) -> bool:
        self._dead_check()
        try:
            return httpx.get(f"{frontend.url}/live", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _dead_check(self) -> bool:
        for process in self.processes():
            if process.returncode() not in (None, -9):
                raise AssertionError(f"{process.name} ended with {process.returncode()}")
        return True

    def _frontend(self, index: int) -> Frontend:
        port = free_port()
        argv = [sys.executable, "-m", "dynamo.frontend", "--http-port", str(port)]
        argv += ["--router-mode", self._router_mode, *self._frontend_args]
        return Frontend(port, f"frontend{index}", argv, self._env, self.directory / "logs")

    def _worker(self, model: str, role: str) -> Worker:
        namespace = _namespace(model)
        component = "prefill" if role == "prefill" else "backend"
        argv = [sys.executable, "-m", "dynamo.mocker"]
        argv += ["--model-path", str(shared_model()), "--model-name", model]
        argv += ["--speedup-ratio", f"{self._speedup:g}", "--block-size", "16"]
        argv += ["--num-gpu-blocks-override", str(self._blocks)]
        argv += ["--endpoint", f"dyn://{namespace}.{component}.generate"]
        if role != "backend":
            argv += ["--disaggregation-mode", role]
        argv += self._worker_args
        count = sum(worker.model == model and worker.role == role for worker in self.workers)
        name = f"{role}-{namespace}-{count}"
        return Worker(model, role, name, argv, self._env, self.directory / "logs")

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        loopback = dict.fromkeys(
            (
                "DYN_HTTP_HOST",
                "DYN_TCP_RPC_HOST",
                "DYN_TCP_RESPONSE_STREAM_HOST",
                "DYN_EVENT_PLANE_HOST",
            ),
            "127.0.0.1",
        )
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("DYN_")},
            **loopback,
            # Model cards are cached below the home directory: keep ours apart from the user's.
            "HOME": str(self.directory),
            "HF_HUB_OFFLINE": "1",
            "DYN_DISCOVERY_BACKEND": "file",
            "DYN_FILE_KV": str(self.directory / "discovery"),
            "DYN_REQUEST_PLANE": "tcp",
            "DYN_EVENT_PLANE": "zmq",
            "DYN_LOG": "info",
            "DYN_LOGGING_JSONL": "1",
            **extra,
        }


def _namespace(model: str) -> str:
    """A model's name without the characters that an endpoint's name may not have."""
    return re.sub(r"[^A-Za-z0-9]", "-", model)


def _short(line: str) -> str:
    """Level and message of a JSON log line; other lines as they are, both cut to 300 characters."""
    try:
        entry = json.loads(line)
        line = f"{entry['time']} {entry['level']} {entry['message']}"
    except (ValueError, KeyError, TypeError):
        pass
    return line[:300]


_model_scratch: tempfile.TemporaryDirectory[str] | None = None


def shared_model() -> Path:
    """The model directory of this run, made at the first call."""
    global _model_scratch
    if _model_scratch is None:
        _model_scratch = tempfile.TemporaryDirectory(prefix="dynamo-model-")
    return write_model(Path(_model_scratch.name))
