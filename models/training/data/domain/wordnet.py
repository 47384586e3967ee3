"""Nouns by subject out of WordNet 3.0: members of its topic tags, and what lies under chosen words."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

# (word, a piece of the gloss that picks the sense): T takes the members of a topic, H the tree of narrower words.
ROOTS: dict[str, list[tuple[str, str, str]]] = {
    "biology": [
        ("T", "biology", "science that studies living"),
        ("T", "botany", ""),
        ("T", "genetics", ""),
        ("T", "zoology", ""),
        ("H", "cell", "basic structural"),
        ("H", "plant_part", ""),
        ("H", "mammal", ""),
        ("H", "bird", "warm-blooded"),
        ("H", "insect", ""),
        ("H", "organic_process", ""),
        ("T", "microbiology", ""),
        ("H", "enzyme", ""),
    ],
    "chemistry": [
        ("T", "chemistry", ""),
        ("H", "chemical_element", ""),
        ("H", "chemical_reaction", ""),
        ("H", "acid", "sour"),
        ("H", "salt", "compound formed"),
        ("H", "organic_compound", ""),
        ("H", "chemical_bond", ""),
        ("H", "ester", ""),
    ],
    "physics": [
        ("T", "physics", ""),
        ("T", "astronomy", ""),
        ("H", "elementary_particle", ""),
        ("H", "physical_phenomenon", ""),
        ("H", "celestial_body", ""),
        ("T", "optics", ""),
        ("T", "mechanics", ""),
        ("T", "thermodynamics", ""),
        ("H", "energy", "thermodynamic"),
    ],
    "math": [
        ("T", "mathematics", ""),
        ("T", "statistics", ""),
        ("T", "geometry", ""),
        ("H", "polygon", ""),
        ("H", "mathematical_relation", ""),
        ("H", "statistic", ""),
        ("H", "number", "concept of quantity"),
        ("H", "mathematics", ""),
        ("T", "algebra", ""),
    ],
    "computer science": [
        ("T", "computer_science", ""),
        ("H", "software", ""),
        ("H", "programming_language", ""),
        ("H", "computer", "machine for performing"),
        ("H", "computer_science", ""),
        ("H", "data_structure", ""),
        ("H", "computer_file", ""),
    ],
    "economics": [
        ("T", "economics", ""),
        ("H", "economic_policy", ""),
        ("H", "economic_theory", ""),
        ("H", "economic_condition", ""),
        ("H", "economics", ""),
        ("H", "tax", ""),
    ],
    "business": [
        ("T", "commerce", ""),
        ("T", "business", "activity of providing"),
        ("T", "finance", ""),
        ("T", "accounting", ""),
        ("H", "selling", ""),
        ("H", "security", "formal declaration"),
        ("H", "financial_statement", ""),
        ("H", "commerce", "transactions"),
        ("H", "income", ""),
        ("H", "business_organization", ""),
        ("H", "asset", ""),
    ],
    "engineering": [
        ("T", "engineering", ""),
        ("T", "electricity", ""),
        ("T", "electronics", ""),
        ("H", "engine", ""),
        ("H", "electrical_device", ""),
        ("H", "bridge", "structure"),
        ("H", "mechanical_device", ""),
        ("H", "engineering", "discipline"),
        ("H", "electronic_equipment", ""),
        ("H", "valve", "control"),
        ("H", "gear", ""),
        ("H", "circuit", "electrical"),
    ],
    "health": [
        ("T", "medicine", "branches"),
        ("T", "medicine", "practice"),
        ("H", "disease", ""),
        ("H", "symptom", "sensation"),
        ("H", "medicine", "treats"),
        ("H", "therapy", ""),
        ("H", "injury", "damage"),
        ("H", "operation", "medical procedure"),
        ("T", "pathology", ""),
        ("H", "vitamin", ""),
        ("H", "medical_instrument", ""),
    ],
    "history": [
        ("H", "war", "armed conflict"),
        ("H", "battle", "hostile meeting"),
        ("H", "revolution", "overthrow"),
        ("H", "dynasty", ""),
        ("H", "emperor", ""),
        ("H", "treaty", ""),
        ("H", "historical_period", ""),
        ("H", "king", "male sovereign"),
        ("H", "general", "general officer"),
        ("H", "empire", ""),
        ("H", "statesman", ""),
        ("H", "crusade", "Christian"),
        ("H", "explorer", ""),
    ],
    "law": [
        ("T", "law", "collection of rules"),
        ("T", "law", "jurisprudence"),
        ("T", "jurisprudence", ""),
        ("H", "crime", ""),
        ("H", "legal_document", ""),
        ("H", "legal_proceeding", ""),
        ("H", "jurisprudence", ""),
        ("H", "legal_right", ""),
        ("H", "court", "assembly"),
        ("H", "lawyer", ""),
        ("H", "judgment", "law"),
    ],
    "philosophy": [
        ("T", "philosophy", ""),
        ("H", "philosophical_doctrine", ""),
        ("H", "philosopher", "specialist"),
        ("H", "philosophy", "rational"),
        ("T", "logic", ""),
        ("H", "fallacy", ""),
        ("H", "ethics", "philosophical"),
    ],
    "psychology": [
        ("T", "psychology", ""),
        ("H", "mental_disorder", ""),
        ("H", "phobia", ""),
        ("H", "psychology", ""),
        ("H", "cognitive_process", ""),
        ("H", "emotion", "strong feeling"),
        ("T", "psychoanalysis", ""),
        ("H", "psychologist", ""),
        ("H", "psychotherapy", ""),
        ("H", "trait", "distinguishing"),
    ],
    "other": [
        ("H", "dish", "particular item"),
        ("H", "beverage", ""),
        ("H", "sport", "active diversion"),
        ("H", "game", "contest with rules"),
        ("H", "musical_instrument", ""),
        ("H", "dance", "artistic"),
        ("H", "garment", ""),
        ("H", "city", "large and densely"),
        ("H", "furniture", ""),
        ("T", "music", ""),
        ("H", "fruit", ""),
        ("H", "religion", "institution"),
        ("H", "country", "territory"),
        ("H", "toy", ""),
        ("H", "writer", "writes"),
        ("H", "actor", "theatrical"),
        ("H", "musician", ""),
        ("H", "river", ""),
    ],
}


class WordNet:
    """The nouns: their words, gloss, narrower words and topic members, by offset."""

    def __init__(self, path: Path) -> None:
        self.words: dict[str, list[str]] = {}
        self.gloss: dict[str, str] = {}
        self.narrower: dict[str, list[str]] = defaultdict(list)
        self.members: dict[str, list[str]] = defaultdict(list)
        self.by_word: dict[str, list[str]] = defaultdict(list)
        for line in path.read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            head, _, gloss = line.partition(" | ")
            f = head.split()
            offset, count = f[0], int(f[3], 16)
            self.words[offset] = [f[4 + 2 * i] for i in range(count)]
            self.gloss[offset] = gloss
            for word in self.words[offset]:
                self.by_word[word.lower()].append(offset)
            at = 4 + 2 * count + 1
            for i in range(int(f[at - 1])):
                symbol, target, pos = f[at + 4 * i], f[at + 4 * i + 1], f[at + 4 * i + 2]
                if pos == "n" and symbol in ("~", "~i"):
                    self.narrower[offset].append(target)
                elif pos == "n" and symbol == "-c":
                    self.members[offset].append(target)

    def find(self, word: str, hint: str) -> list[str]:
        """The senses of a word whose gloss has the hint."""
        return [o for o in self.by_word.get(word, []) if hint in self.gloss[o]]

    def tree(self, root: str, depth: int = 5) -> list[str]:
        """All that is narrower than a sense, itself left out, down to a depth."""
        seen: list[str] = []
        level = [root]
        for _ in range(depth):
            level = [c for o in level for c in self.narrower[o] if c not in seen]
            seen += level
        return seen


def nouns(path: Path, per_subject: int) -> dict[str, list[str]]:
    """Subject -> nouns, evenly from its roots, each noun in one subject only."""
    net = WordNet(path)
    lists: dict[str, list[list[str]]] = {}
    for subject, roots in ROOTS.items():
        lists[subject] = []
        for kind, word, hint in roots:
            found: list[str] = []
            for sense in net.find(word, hint)[: 1 if kind == "H" else 3]:
                found += net.tree(sense) if kind == "H" else net.members[sense]
            names = {net.words[o][0].split("(")[0].replace("_", " ") for o in found}
            names = {n for n in names if 3 <= len(n) <= 30 and n.count(" ") <= 2}
            lists[subject].append(sorted(names, key=lambda n: hashlib.sha1(n.encode()).hexdigest()))
    owner: dict[str, set[str]] = defaultdict(set)
    for subject, groups in lists.items():
        for group in groups:
            for name in group:
                owner[name].add(subject)
    result: dict[str, list[str]] = {}
    for subject, groups in lists.items():
        groups = [[n for n in g if len(owner[n]) == 1] for g in groups]
        taken: list[str] = []
        at = 0
        while len(taken) < per_subject and any(at < len(g) for g in groups):
            taken += [g[at] for g in groups if at < len(g) and g[at] not in taken]
            at += 1
        result[subject] = taken[:per_subject]
    return result
