"""Postal addresses as several countries write them."""

from __future__ import annotations

import lists
import numbers_of as numbers
from values import Values

EN_KINDS = (
    "Street",
    "St",
    "St.",
    "Avenue",
    "Ave",
    "Road",
    "Rd",
    "Lane",
    "Drive",
    "Dr",
    "Court",
    "Way",
    "Place",
    "Boulevard",
    "Blvd",
    "Terrace",
    "Close",
    "Crescent",
    "Hill",
    "Square",
    "Parkway",
    "Circle",
    "Gardens",
)
EN_NAMES = (
    "Main",
    "Oak",
    "Maple",
    "Elm",
    "Cedar",
    "Pine",
    "Park",
    "High",
    "Church",
    "Station",
    "Victoria",
    "Mill",
    "Lake",
    "King",
    "Queen's",
    "Washington",
    "Lincoln",
    "Sunset",
    "Spring",
    "Ridge",
    "Chestnut",
    "River",
    "5th",
    "42nd",
    "North 3rd",
    "West End",
    "Old Mill",
    "Baker",
    "Rose",
    "Martin Luther King Jr.",
    "Willow Creek",
)
STREETS = {
    "de": [
        "Hauptstraße",
        "Bahnhofstr.",
        "Gartenweg",
        "Goethestraße",
        "Am Markt",
        "Lindenallee",
        "{}straße",
        "{}weg",
        "{}platz",
    ],
    "fr": [
        "rue de la Paix",
        "avenue Victor Hugo",
        "rue {}",
        "boulevard {}",
        "place de la République",
        "chemin des Vignes",
        "rue du {}",
    ],
    "es": ["Calle Mayor", "Calle {}", "Avenida {}", "Plaza de España", "Paseo del Prado", "C/ {}"],
    "it": ["Via Roma", "Via {}", "Corso Italia", "Piazza {}", "Viale {}", "Vicolo {}"],
    "pt": ["Rua {}", "Avenida {}", "Rua das Flores", "Travessa {}", "Praça {}"],
    "nl": ["Kerkstraat", "Dorpsstraat", "{}straat", "{}laan", "{}weg", "Prinsengracht"],
    "pl": ["ul. {}", "ul. Długa", "al. {}", "ul. Kwiatowa", "pl. {}"],
    "sv": ["Storgatan", "{}gatan", "{}vägen", "Kungsgatan"],
    "tr": ["{} Sokak", "Atatürk Caddesi", "{} Cad."],
    "cs": ["{}ova", "Na Příkopě", "Příční", "náměstí {}"],
}
FIRST_NUMBER = ("fr",)


def road(v: Values, lang: str) -> str:
    """A street's name without a number."""
    if lang in STREETS:
        return v.rng.choice(STREETS[lang]).format(v.last())
    if v.stock and v.rng.random() < 0.3:
        return v.rng.choice(v.stock["street"])
    name = v.rng.choice(EN_NAMES) if v.rng.random() < 0.5 else v.last()
    return f"{name} {v.rng.choice(EN_KINDS)}"


def language(v: Values) -> str:
    """The country an address in the text may be of: in English texts any, else the text's own."""
    return v.rng.choice(["en"] * 12 + list(STREETS)) if v.lang == "en" else v.lang


def street(v: Values, lang: str | None = None) -> str:
    """A street with a house number, sometimes with a flat."""
    lang = lang or language(v)
    n = v.rng.randint(1, 199) if v.rng.random() < 0.6 else v.rng.randint(200, 19999)
    suffix = v.rng.choice(["", "", "", "a", "b", "/3"]) if lang != "en" else ""
    if lang == "en":
        text = f"{n} {road(v, lang)}"
        if v.rng.random() < 0.3:
            text += v.rng.choice([", ", " ", "\n"] if v.rng.random() < 0.3 else [", ", " "]) + secondary(v)
        return text if v.rng.random() < 0.95 else f"P.O. Box {n}"
    if lang in FIRST_NUMBER:
        return f"{n % 200} {road(v, lang)}" if n > 199 else f"{n}{v.rng.choice([' ', ', ', ' bis '])}{road(v, lang)}"
    glue = ", " if lang in ("es", "pt", "it") and v.rng.random() < 0.5 else " "
    return f"{road(v, lang)}{glue}{n % 200 + 1}{suffix}"


def secondary(v: Values) -> str:
    """A flat or a suite."""
    return v.rng.choice(["Apt. {}", "Suite {}", "Apt {}", "Unit {}", "#{}", "Flat {}", "Floor {}"]).format(
        v.rng.randint(1, 999)
    )


def full(v: Values) -> str:
    """A whole address: street, place and code or country, on one line or several."""
    lang = language(v)
    r = v.rng
    line, code, place = street(v, lang), numbers.zipcode(r, lang), v.city()
    glue = r.choice([", ", ", ", ", ", "\n", "\n", " "])
    if lang == "en":
        if r.random() < 0.25:
            return presidio_like(v)
        if r.random() < 0.06:
            return military(v)
        state = r.choice(lists.STATE_CODES)
        tail = r.choice(
            [
                f"{place}, {state} {numbers.zip_us(r)}",
                f"{place} {code}",
                f"{place}, {code}",
                f"{place}, {v.country()}",
                f"{place}, {state} {numbers.zip_us(r)}, USA",
                f"{place}{glue}{code}",
                f"{place}, {state}",
                f"{place} {state} {numbers.zip_us(r)}",
            ]
        )
        return line + glue + tail
    country = r.choice(["", "", glue + v.country().removeprefix("the ")])
    return f"{line}{glue}{code} {place}{country}"


def military(v: Values) -> str:
    """A post office of the forces."""
    r = v.rng
    return r.choice(
        [
            f"Unit {r.randint(1000, 9999)} Box {r.randint(100, 9999)}\nDPO {r.choice(['AE', 'AA', 'AP'])} {numbers.zip_us(r)}",
            f"PSC {r.randint(1000, 9999)}, Box {r.randint(100, 9999)}\nAPO {r.choice(['AE', 'AA', 'AP'])} {numbers.zip_us(r)}",
            f"USNS {v.last()}\nFPO {r.choice(['AE', 'AA', 'AP'])} {numbers.zip_us(r)}",
        ]
    )


def presidio_like(v: Values) -> str:
    """The layouts of presidio-evaluator: number, street, flat, place, region, country, code."""
    r = v.rng
    number, code = r.randint(1, 99999), numbers.zipcode(r, "en")
    place = v.city().upper() if r.random() < 0.3 else v.city()
    name = street(v) if r.random() < 0.6 else road(v, language(v))
    flat, state, land = secondary(v), r.choice(lists.STATE_CODES), v.country().removeprefix("the ")
    return r.choice(
        [
            f"{number} {name} {flat}\n{place}\n, {state}\n {land} {code}",
            f"{number} {name} {flat} {place} {state}",
            f"{number} {name}\n{place}\n, {state}\n {code}",
            f"{number} {name} {flat} {place}",
            f"{name} {flat}\n {place}\n {land} {code}",
            f"{number} {name} {flat}\n{place}, {state} {code}",
            f"{number} {name}\n {flat}\n {place}\n {code}",
        ]
    )
