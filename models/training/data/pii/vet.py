"""Throws out the teacher's sentences that are probably labelled wrongly.

The small model invents organisations out of capitalised words, and takes scientists' names and acronyms for places.
A sentence is kept only when each of its names is plausible by a word list; better fewer sentences than wrong ones.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "domain"))

import lists  # noqa: E402
from wordnet import WordNet  # noqa: E402

PLACE_TAIL = re.compile(r" (?:Province|City|County|Village|District|Prefecture|Town|Republic)$")
ORG_WORD = re.compile(
    r"\b(?:Inc|Ltd|LLC|Corp|Corporation|Company|Co|Group|University|College|Institute|School|Hospital|Bank|Ministry|Department|"
    r"Committee|Commission|Association|Foundation|Council|Agency|Bureau|Court|Technology|Technologies|Motors|Airlines|Union|"
    r"Society|Academy|Center|Centre|Museum|Press|Times|Fund|Party|Federation|Organization|Organisation|Education|Coffee)\b"
)


# A bare number before one of these is a quantity, whatever the teacher says.
UNIT = re.compile(
    r"\s?(?:[°%℃$^]|(?:[ckm]?m|k?g|m?[lL]|rpm|K|N|W|V|J|psi|lbs?|ft|in|hp|kW|Hz|atm|yuan|dollars|people|units|RMB)\b)"
)


VERB = re.compile(
    r"(?:Define|Describe|Explain|Analyze|Analyse|Discuss|Compare|Find|Use|Using|Give|List|Name|Calculate|According|See)\b"
)
MISSED_YEAR = re.compile(r"\b(?:[Ii]n|[Ss]ince|[Bb]y|[Uu]ntil|[Ff]rom|to|and|[Dd]uring) ((?:18|19|20)\d\d)\b")


class Lexicon:
    """Common words, places and names."""

    def __init__(self, wordnet: Path, names: dict[str, list[str]]) -> None:
        net = WordNet(wordnet)
        self.common = {w for ws in net.words.values() for w in ws if w.islower()}
        self.places = (
            set(lists.COUNTRIES)
            | {c.removeprefix("the ") for c in lists.COUNTRIES}
            | set(lists.CITIES)
            | set(lists.STATES)
        )
        self.places |= {
            "U.S.",
            "U.S",
            "US",
            "UK",
            "U.K.",
            "United States",
            "Soviet Union",
            "European Union",
            "New York City",
        }
        for root, hint in (
            ("city", "large and densely"),
            ("country", "territory"),
            ("state", "constituent"),
            ("province", "territory"),
            ("national_capital", ""),
            ("town", "urban area"),
        ):
            for sense in net.find(root, hint)[:2]:
                self.places |= {w.replace("_", " ") for o in net.tree(sense) for w in net.words[o] if w[0].isupper()}
        self.nations = set(lists.NRP) | set(lists.NRPS) | set(lists.BELIEFS)
        for root in ("inhabitant", "religious_person", "religion"):
            for sense in net.find(root, "")[:1]:
                found = {w.replace("_", " ") for o in net.tree(sense) for w in net.words[o] if w[0].isupper()}
                self.nations |= found | {w + "s" for w in found}
        self.orgs = {o.removeprefix("the ") for o in lists.ORGS} | set(names["org"])
        self.names = set(lists.FIRST) | set(lists.LAST) | set(names["first"]) | set(names["last"])

    def is_common(self, word: str) -> bool:
        """Whether a capitalised word is an ordinary one."""
        word = word.lower().strip(".,:;'\"()")
        return word in self.common or word.rstrip("s") in self.common

    def plausible(self, piece: str, label: str) -> bool:
        """Whether a piece of text may be what the teacher says."""
        words = piece.split()
        if VERB.match(piece):
            return False
        if label == "GPE":
            return piece in self.places or bool(PLACE_TAIL.search(piece))
        if label == "NRP":
            return piece in self.nations
        if label == "PERSON":
            known = any(w in self.names for w in words)
            shape = all(re.fullmatch(r"[A-Z][\w.'’-]*|van|von|de|der|la|bin|al", w) for w in words)
            odd = any(w not in self.names and self.is_common(w) for w in words)
            return shape and known and not odd and piece not in self.places and len(words) <= 4
        if label == "ORGANIZATION":
            if piece in self.orgs or (len(words) > 1 and ORG_WORD.search(piece)):
                return True
            if len(words) == 1:
                return False
            return not any(self.is_common(w) or w in self.names or not w[0].isupper() for w in words)
        return True


def keep(record: dict, lexicon: Lexicon) -> bool:
    """Whether a sentence can be trusted: its names are plausible and no country or nationality was missed."""
    text = record["text"]
    covered = [False] * len(text)
    for s in record["spans"]:
        piece = text[s["start"] : s["end"]]
        if "\n" in piece or "\t" in piece or not lexicon.plausible(piece, s["label"]):
            return False
        if s["label"] == "DATE_TIME" and piece.isdigit() and UNIT.match(text, s["end"]):
            return False
        covered[s["start"] : s["end"]] = [True] * (s["end"] - s["start"])
    words = text.split()
    capital = sum(w[:1].isupper() for w in words)
    if record["spans"] and capital > 0.6 * len(words) and len(words) > 4:
        return False  # headings, where everything has a capital
    if any(not covered[m.start(1)] and not UNIT.match(text, m.end()) for m in MISSED_YEAR.finditer(text)):
        return False
    for m in re.finditer(r"[A-Z][a-z]{2,}", text):
        if not covered[m.start()] and m.group() in lexicon.names and not lexicon.is_common(m.group()):
            return False
    for m in re.finditer(r"[A-Z][a-z]+(?: [A-Z][a-z]+)*", text):
        if not covered[m.start()] and (
            m.group() in lists.COUNTRIES or m.group() in lists.NRP or m.group() in lists.CITIES
        ):
            return False
    return True
