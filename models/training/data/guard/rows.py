"""One labelled text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A text with its class, source, language and split."""

    text: str
    attack: bool
    src: str
    lang: str
    split: str = "train"
    # The text that this one was cut from, where it was cut.
    whole: str = ""

    def record(self) -> dict[str, str]:
        """The row as the training files hold it."""
        return {
            "text": self.text,
            "label": "jailbreak" if self.attack else "benign",
            "src": self.src,
            "lang": self.lang,
        }
