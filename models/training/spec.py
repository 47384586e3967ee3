"""What is trained: the shape of each branch and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass

from trunks import TRUNKS, Trunk

HIDDEN = 384
# Of a branch that stands on shared layers.
OWN_LAYERS = 3

SUBJECTS = (
    "biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law",
    "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip

PII_TYPES = (
    "AGE", "CREDIT_CARD", "DATE_TIME", "DOMAIN_NAME", "EMAIL_ADDRESS", "GPE", "IBAN_CODE", "IP_ADDRESS", "NRP",
    "ORGANIZATION", "PERSON", "PHONE_NUMBER", "STREET_ADDRESS", "TITLE", "US_DRIVER_LICENSE", "US_SSN", "ZIP_CODE",
)  # fmt: skip

# Types that a policy blocks or redacts by default; the rest are ordinary in factual prose.
SENSITIVE = (
    "CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "PHONE_NUMBER", "US_DRIVER_LICENSE", "US_SSN",
)  # fmt: skip

BIO_LABELS = ("O", *(f"{part}-{kind}" for kind in PII_TYPES for part in ("B", "I")))


@dataclass(frozen=True)
class Spec:
    """One branch."""

    task: str
    """`domain`, `guard` or `pii`."""
    head: str
    """The head's and the segment's name in the bundle."""
    labels: tuple[str, ...]
    per_token: bool
    """Whether every token gets a label, or the text."""
    shared: bool
    """Whether the branch stands on the trunk's shared layers or begins at the embeddings, with as many more of its
    own."""
    window: int
    """Tokens of a window, special ones included."""
    overlap: int
    """Tokens that two neighbouring windows have in common."""
    trunk: str = "minilm"
    """One of `TRUNKS`."""
    parts: tuple[int, int] | None = None
    """Tokens of a part and from one to the next: means of parts are taken, and the worst answer counts; else one mean."""
    epochs: int = 1
    rate: float = 3e-4
    head_factor: float = 10.0
    batch_tokens: int = 1024
    smoothing: float = 0.05
    decay: float = 0.01
    seed: int = 7
    order: int = 0
    """Another order of the batches for every number; the start is the same, so that the mean of several runs makes
    sense (Wortsman and others, arXiv 2203.05482)."""

    @property
    def layers(self) -> int:
        """Layers of its own."""
        return OWN_LAYERS + (0 if self.shared else self.on.shared)

    @property
    def on(self) -> Trunk:
        """The encoder that the branch stands on."""
        return TRUNKS[self.trunk]

    @property
    def inner(self) -> int:
        """Tokens of a window that are text."""
        return self.window - 2


SPECS = {
    "domain": Spec("domain", "domain", SUBJECTS, per_token=False, shared=True, window=128, overlap=32, trunk="e5"),
    "guard": Spec(
        "guard", "jailbreak", ("benign", "jailbreak"), per_token=False, shared=True, window=128, overlap=32, trunk="e5"
    ),
    "pii": Spec("pii", "pii", BIO_LABELS, per_token=True, shared=False, window=128, overlap=32),
}
