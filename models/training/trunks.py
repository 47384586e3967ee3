"""The encoders that branches stand on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trunk:
    """An encoder of width 384 with BERT's layers."""

    folder: str
    """Where `fetch_*.py` puts it, below the folder that `train_all.py` works in."""
    shared: int
    """So many of its first layers are frozen, and branches that share them begin behind."""
    begin: int
    """The id of the token in front of a sequence."""
    end: int
    """The id of the one behind it. Id 0 is the padding."""

    def framed(self, ids: list[int]) -> list[int]:
        """A sequence with the special tokens around it."""
        return [self.begin, *ids, self.end]


TRUNKS = {
    "minilm": Trunk("encoder", shared=3, begin=101, end=102),
    "e5": Trunk("multilingual", shared=6, begin=1, end=2),
}
