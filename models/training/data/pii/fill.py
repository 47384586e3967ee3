"""Fills templates with values and notes where the labelled ones lie. Slots are written `<kind>`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import addresses
import lists
import numbers_of as numbers
from values import Values

SLOT = re.compile(r"<([a-z]+\d?)>")
# What a slot's value is labelled; a slot that is not here is filled and not labelled.
LABELS = {
    "person": "PERSON",
    "first": "PERSON",
    "last": "PERSON",
    "org": "ORGANIZATION",
    "city": "GPE",
    "country": "GPE",
    "state": "GPE",
    "stateabbr": "GPE",
    "nrp": "NRP",
    "nrps": "NRP",
    "religion": "NRP",
    "title": "TITLE",
    "job": "TITLE",
    "street": "STREET_ADDRESS",
    "streetname": "STREET_ADDRESS",
    "address": "STREET_ADDRESS",
    "zip": "ZIP_CODE",
    "zipus": "ZIP_CODE",
    "phone": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "url": "DOMAIN_NAME",
    "domain": "DOMAIN_NAME",
    "card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "ssn": "US_SSN",
    "dl": "US_DRIVER_LICENSE",
    "ip": "IP_ADDRESS",
    "date": "DATE_TIME",
    "dob": "DATE_TIME",
    "time": "DATE_TIME",
    "year": "DATE_TIME",
    "weekday": "DATE_TIME",
    "bstreet": "STREET_ADDRESS",
    "flat": "STREET_ADDRESS",
    "building": "STREET_ADDRESS",
    "postcode": "STREET_ADDRESS",
    "month": "DATE_TIME",
    "monthyear": "DATE_TIME",
    "isotime": "DATE_TIME",
    "logtime": "DATE_TIME",
    "age": "AGE",
}


def makers(v: Values) -> dict[str, Callable[[], str]]:
    """How each slot gets its value."""
    r = v.rng
    days = numbers.DAYS.get(v.lang, numbers.DAYS["en"]).split()
    return {
        "person": v.person,
        "first": v.first,
        "last": v.last,
        "org": v.org,
        "city": v.city,
        "country": v.country,
        "state": v.state,
        "stateabbr": lambda: r.choice(lists.STATE_CODES),
        "nrp": v.nrp,
        "nrps": lambda: r.choice(lists.NRPS),
        "religion": lambda: r.choice(lists.BELIEFS),
        "title": v.title,
        "job": v.job,
        "street": lambda: addresses.street(v),
        "streetname": lambda: addresses.road(v, addresses.language(v)),
        "address": lambda: addresses.full(v),
        "zip": lambda: numbers.zipcode(r, v.lang),
        "zipus": lambda: numbers.zip_us(r),
        "phone": lambda: numbers.phone(r, v.lang if r.random() < 0.8 else r.choice(list(numbers.PHONES))),
        "bstreet": lambda: (
            f"{r.randint(1, 99999)} {addresses.road(v, addresses.language(v)) if r.random() < 0.5 else addresses.street(v)}"
        ),
        "flat": lambda: addresses.secondary(v),
        "building": lambda: str(r.randint(1, 99999)),
        "postcode": lambda: numbers.zipcode(r, "en"),
        "email": v.email,
        "domain": v.domain,
        "url": lambda: (
            r.choice(["https://", "http://www.", "www.", "https://www."])
            + v.domain()
            + r.choice(["", "/", "/about", "/p/1"])
        ),
        "card": lambda: numbers.card(r),
        "iban": lambda: numbers.iban(r),
        "ssn": lambda: numbers.ssn(r),
        "dl": lambda: numbers.licence(r),
        "ip": lambda: numbers.ip(r),
        "date": lambda: numbers.date(r, v.lang),
        "dob": lambda: numbers.birth(r, v.lang),
        "time": lambda: numbers.clock(r, v.lang),
        "year": lambda: str(r.randint(1900, 2029)),
        "weekday": lambda: r.choice(days),
        "month": lambda: r.choice(numbers.MONTHS.get(v.lang, numbers.MONTHS["en"]).split()),
        "monthyear": lambda: (
            f"{r.choice(numbers.MONTHS.get(v.lang, numbers.MONTHS['en']).split())} {r.randint(1950, 2029)}"
        ),
        "isotime": lambda: numbers.moment(r, 2018).strftime(r.choice(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S"])),
        "logtime": lambda: numbers.moment(r, 2018).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "age": lambda: str(r.randint(1, 99)),
        "expiry": lambda: f"{r.randint(1, 12):02d}/{r.randint(25, 35)}",
        "cvv": lambda: str(r.randint(100, 999)),
        "money": lambda: r.choice(["${}.00", "{},50 EUR", "{} euros", "£{}", "USD {}", "{}.99"]).format(
            r.randint(2, 9999)
        ),
        "order": lambda: numbers.fill(
            r,
            r.choice(
                ["A-#####", "########", "ORD-######", "###-#######-#######", "INV-20##-####", "#####", "SO######"]
            ),
        ),
        "user": lambda: numbers.plain(v.first()) + str(r.randint(1, 99)),
        "word": lambda: r.choice(lists.WORDS),
        "num1": lambda: str(r.randint(2, 9)),
        "num2": lambda: str(r.randint(10, 99)),
        "num3": lambda: str(r.randint(100, 999)),
        "num4": lambda: str(r.randint(1000, 9999)),
        "num5": lambda: str(r.randint(10000, 99999)),
        "num8": lambda: str(r.randint(10000000, 99999999)),
        "version": lambda: f"{r.randint(0, 20)}.{r.randint(0, 99)}.{r.randint(0, 99)}",
        "isbn": lambda: numbers.fill(r, r.choice(["978-#-##-######-#", "978##########", "0-###-#####-#"])),
        "hex": lambda: f"{r.getrandbits(64):016x}",
        "part": lambda: numbers.fill(r, r.choice(["AA-####", "A##-###-A", "###-AAA-##", "AAA####A"])),
    }


def fill(template: str, v: Values, labels: dict[str, str] | None = None) -> tuple[str, list[dict]]:
    """The text and its spans. `\\n` in a template is a line break."""
    labels = LABELS if labels is None else labels
    make = makers(v)
    template = template.replace("\\n", "\n")
    out, spans, at, size = [], [], 0, 0

    def put(text: str) -> None:
        nonlocal size
        out.append(text)
        size += len(text)

    for m in SLOT.finditer(template):
        if m.group(1) not in make:
            continue
        put(template[at : m.start()])
        value = make[m.group(1)]().strip()
        label = labels.get(m.group(1))
        skip = len("the ") if label in ("GPE", "ORGANIZATION") and value.startswith("the ") else 0
        if label:
            spans.append({"start": size + skip, "end": size + len(value), "label": label})
        put(value)
        at = m.end()
    put(template[at:])
    return "".join(out), spans


def read(path: Path) -> dict[str, list[str]]:
    """The templates of a file under its `[section]`s."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r"\[[a-z]+\]", line):
            section = line[1:-1]
        elif line.strip():
            found.setdefault(section, []).append(line)
    return found
