"""Where to cut a guard's scores so that it flags no more than a wanted share of benign texts."""

from __future__ import annotations

import numpy as np

# Shares of benign texts, for policies that want another balance than the head's own threshold.
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
# Rounded up, so that a written threshold flags no more than the measured one.
SCALE = 1_000_000


def threshold_for(scores: np.ndarray, share: float) -> float:
    """The least value that at most `share` of the scores reach."""
    ranked = np.sort(scores)[::-1]
    allowed = int(share * len(ranked))
    return float(np.nextafter(ranked[allowed], 2.0)) if allowed < len(ranked) else 0.0


def operating_points(benign: np.ndarray) -> list[list[float]]:
    """`[rate, threshold]` by rising rate: at most that share of the benign scores reaches the threshold."""
    cuts = [np.ceil(threshold_for(benign, rate) * SCALE) / SCALE for rate in RATES]
    return [[rate, float(cut)] for rate, cut in zip(RATES, cuts, strict=True)]
