"""Makes the scripts importable and finds the encoder, which `fetch_encoder.py` puts into `build/encoder`."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def encoder_dir() -> Path:
    """The published encoder; tests that need it are skipped without it."""
    directory = ROOT / "build" / "encoder"
    if not (directory / "model.safetensors").exists():
        pytest.skip("run fetch_encoder.py first")
    return directory
