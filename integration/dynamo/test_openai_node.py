"""The official OpenAI client for Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import Gateway

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="SKIP: node is not installed"),
    pytest.mark.skipif(
        not (HERE / "node_modules" / "openai").is_dir(),
        reason="SKIP: the npm package openai is not installed (run setup.sh)",
    ),
]


def test_node_client(gateway: Gateway) -> None:
    done = subprocess.run(
        ["node", str(HERE / "openai_node.mjs")],
        env={**os.environ, "BASE_URL": f"{gateway.url}/v1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    unary = report["unary"]
    assert unary["content"]
    assert unary["finish_reason"] == "length"
    assert unary["completion_tokens"] == 6
    assert unary["selected"] == "math"

    assert report["stream"]["role"] == "assistant"
    assert report["stream"]["content"]
    assert report["stream"]["completion_tokens"] == 6
    assert report["helper"]["content"]

    assert report["unknown"] == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}
    assert report["aborted"] == {"seen": 3}
    assert {"MoM", "general", "math"} <= set(report["models"])
