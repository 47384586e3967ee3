"""The templates and fake identities of presidio-evaluator, those kept for evaluation left out."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

# Their placeholder -> our slot; the labels follow presidio-evaluator's own mapping of placeholders to entities.
SLOTS = {
    "name": "person",
    "name_male": "person",
    "name_female": "person",
    "person": "person",
    "first_name": "first",
    "first_name_male": "first",
    "first_name_female": "first",
    "first_name_nonbinary": "first",
    "last_name": "last",
    "last_name_male": "last",
    "last_name_female": "last",
    "prefix": "title",
    "prefix_male": "title",
    "prefix_female": "title",
    "job": "job",
    "organization": "org",
    "city": "city",
    "country": "country",
    "state": "state",
    "state_abbr": "stateabbr",
    "nationality": "nrp",
    "nation_man": "nrp",
    "nation_woman": "nrp",
    "nation_plural": "nrps",
    "address": "address",
    "building_number": "building",
    "street_name": "streetname",
    "secondary_address": "flat",
    "postcode": "postcode",
    "zipcode": "zip",
    "phone_number": "phone",
    "email": "email",
    "url": "url",
    "credit_card_number": "card",
    "iban": "iban",
    "ssn": "ssn",
    "us_driver_license": "dl",
    "ip_address": "ip",
    "date_time": "date",
    "date_of_birth": "dob",
    "day_of_week": "weekday",
    "year": "year",
    "age": "age",
}


def templates(path: Path) -> list[str]:
    """Those whose hash is not a multiple of four: the others are kept for evaluation."""
    kept = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line or int(hashlib.sha1(line.encode()).hexdigest()[:6], 16) % 4 == 0:
            continue
        text = re.sub(r"\{\{(\w+)\}\}", lambda m: f"<{SLOTS.get(m.group(1), m.group(1))}>", line)
        text = text.replace("{street_name}", "<streetname>").replace("\\,", ",")
        # Number and street stand together: one span.
        text = text.replace("<building> <streetname>", "<bstreet>")
        kept.append(text)
    return kept


def stock(folder: Path, which: str) -> dict[str, list[str]]:
    """Names, places and firms of the fake identities; a tenth each is for dev and test alone."""
    found: dict[str, list[str]] = {"first": [], "last": [], "city": [], "street": [], "org": []}

    def mine(key: str) -> bool:
        n = int(hashlib.sha1(key.encode()).hexdigest()[:6], 16) % 10
        return which == ("test" if n == 0 else "dev" if n == 1 else "train")

    with (folder / "FakeNameGenerator.com_3000.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if mine(row["Surname"]):
                found["first"].append(row["GivenName"])
                found["last"].append(row["Surname"])
                found["city"].append(row["City"])
                found["street"].append(row["StreetAddress"])
                if row["Company"]:
                    found["org"].append(row["Company"])
    with (folder / "companies_and_organizations.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if mine(row["organization"]):
                found["org"].append(row["organization"])
    return found
