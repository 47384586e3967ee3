"""Values made of digits: cards, accounts, phones, dates, addresses of machines."""

from __future__ import annotations

import datetime
import random
import string
import unicodedata

MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
    "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
}
DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
}
IBANS = {
    "DE": "########",
    "FR": "##########X#########",
    "ES": "##########",
    "IT": "X######",
    "GB": "AAAA######",
    "NL": "AAAA##",
    "CH": "#####",
    "AT": "###",
    "BE": "",
    "PL": "############",
    "PT": "###########",
    "SE": "##########",
}
IBAN_TAIL = {
    "DE": 10,
    "FR": 3,
    "ES": 10,
    "IT": 16,
    "GB": 8,
    "NL": 8,
    "CH": 12,
    "AT": 13,
    "BE": 12,
    "PL": 12,
    "PT": 10,
    "SE": 10,
}
PHONES = {
    "en": [
        "(###) ###-####",
        "###-###-####",
        "+1 ### ### ####",
        "+1-###-###-####",
        "###.###.####",
        "1-800-###-####",
        "+44 20 #### ####",
        "+44 7### ######",
        "0161 ### ####",
        "07### ######",
        "##########",
        "+61 4## ### ###",
        "(0#) #### ####",
        "+91 9#### #####",
        "+91-##########",
        "+353 8# ### ####",
        "### ### ####",
        "### ####",
        "## ## ## ##",
        "0## ### ## ##",
        "###-####",
        "001-###-###-####x###",
        "(###)###-#### ext. ###",
        "+## ### ### ###",
    ],
    "de": [
        "+49 30 #######",
        "030 ########",
        "0171 #######",
        "+49 (0) 89 ######",
        "089/######",
        "0043 1 #######",
        "+41 44 ### ## ##",
    ],
    "fr": [
        "+33 1 ## ## ## ##",
        "01 ## ## ## ##",
        "06 ## ## ## ##",
        "+33 6 ## ## ## ##",
        "06########",
        "04.##.##.##.##",
    ],
    "es": ["+34 6## ### ###", "9## ## ## ##", "6########", "+52 55 #### ####", "91 ### ## ##"],
    "it": ["+39 06 ########", "06 ########", "3## #######", "+39 3## ### ####", "02/########"],
    "pt": ["+351 9## ### ###", "(11) 9####-####", "21 ### ## ##", "+55 11 9#### ####"],
    "nl": ["+31 6 ########", "06-########", "020 #######", "+32 4## ## ## ##"],
    "pl": ["+48 ### ### ###", "22 ### ## ##", "### ### ###"],
}


def plain(name: str) -> str:
    """ASCII letters only, small."""
    name = unicodedata.normalize("NFKD", name)
    return "".join(c for c in name.lower() if c in string.ascii_lowercase)


def fill(rng: random.Random, pattern: str) -> str:
    """`#` becomes a digit (the first of a run of them not 0), `A` a capital letter."""
    out, previous = [], ""
    for c in pattern:
        if c == "#":
            out.append(str(rng.randint(1 if previous != "#" else 0, 9)))
        elif c == "A":
            out.append(rng.choice(string.ascii_uppercase))
        else:
            out.append(c)
        previous = c
    return "".join(out)


def phone(rng: random.Random, lang: str) -> str:
    """A number as written in the language's countries."""
    return fill(rng, rng.choice(PHONES.get(lang, PHONES["en"])))


def luhn(digits: str) -> int:
    """The digit that completes a card number."""
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c) * (2 if i % 2 == 0 else 1)
        total += d - 9 if d > 9 else d
    return -total % 10


def card(rng: random.Random) -> str:
    """A card number with a right check digit."""
    prefix, length = rng.choice(
        [
            ("4", 16),
            ("4", 16),
            ("5" + str(rng.randint(1, 5)), 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("35", 16),
            ("30", 14),
        ]
    )
    body = prefix + "".join(str(rng.randint(0, 9)) for _ in range(length - len(prefix) - 1))
    number = body + str(luhn(body))
    form = rng.random()
    if form < 0.45 or length == 14:
        return number
    glue = " " if form < 0.8 else "-"
    groups = [4, 6, 5] if length == 15 else [4, 4, 4, 4]
    out, at = [], 0
    for g in groups:
        out.append(number[at : at + g])
        at += g
    return glue.join(out)


def iban(rng: random.Random) -> str:
    """An account number with right check digits (ISO 13616)."""
    country = rng.choice(list(IBANS))
    body = fill(rng, IBANS[country].replace("X", "A")) + "".join(
        str(rng.randint(0, 9)) for _ in range(IBAN_TAIL[country])
    )
    value = int("".join(str(int(c, 36)) for c in body + country + "00"))
    text = f"{country}{98 - value % 97:02d}{body}"
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4)) if rng.random() < 0.5 else text


def ssn(rng: random.Random) -> str:
    """A number of the allowed ranges, with hyphens, spaces or bare."""
    area = rng.choice([n for n in range(1, 900) if n != 666])
    glue = rng.choice(["-", "-", "-", "-", " "])
    return f"{area:03d}{glue}{rng.randint(1, 99):02d}{glue}{rng.randint(1, 9999):04d}"


def licence(rng: random.Random) -> str:
    """A driver's license number in the manner of one of the states."""
    return fill(
        rng,
        rng.choice(
            [
                "A#######",
                "########",
                "A############",
                "A###-####-####",
                "#########",
                "AA######A",
                "A##-##-####",
                "A####-#####-#####",
                "A########",
                "###AA####",
                "AAAAA######",
            ]
        ),
    )


def ip(rng: random.Random) -> str:
    """IPv4, seldom IPv6."""
    if rng.random() < 0.15:
        return ":".join(f"{rng.randrange(65536):x}" for _ in range(8))
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def moment(rng: random.Random, first: int = 1950, last: int = 2029) -> datetime.datetime:
    """A random moment between two years."""
    start = datetime.datetime(first, 1, 1)
    return start + datetime.timedelta(seconds=rng.randrange((last - first + 1) * 365 * 86400))


def ordinal(n: int) -> str:
    """1st, 2nd, ..."""
    return f"{n}{'th' if 10 <= n % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def date(rng: random.Random, lang: str, first: int = 1950, last: int = 2029) -> str:
    """A date as written in the language."""
    d = moment(rng, first, last)
    month = MONTHS.get(lang, MONTHS["en"]).split()[d.month - 1]
    if lang == "en":
        return rng.choice(
            [
                f"{month} {d.day}, {d.year}",
                f"{d.day} {month} {d.year}",
                f"{month} {ordinal(d.day)}",
                f"{month[:3]} {d.day}, {d.year}",
                f"{d.month}/{d.day}/{d.year}",
                f"{d.month:02d}/{d.day:02d}/{d.year}",
                f"{d.year}-{d.month:02d}-{d.day:02d}",
                f"{d.day}/{d.month}/{d.year % 100:02d}",
                f"{month} {d.year}",
                f"{d.day:02d}-{month[:3]}-{d.year}",
                f"{month} {d.day}",
                f"{d.day:02d}.{d.month:02d}.{d.year}",
                f"{d:%Y-%m-%d %H:%M:%S}",
                f"the {ordinal(d.day)} of {month}",
            ]
        )
    dot = ". " if lang in ("de", "cs") else " de " if lang in ("es", "pt") else " "
    return rng.choice(
        [
            f"{d.day}{dot}{month}{' de ' if lang in ('es', 'pt') else ' '}{d.year}",
            f"{d.day:02d}.{d.month:02d}.{d.year}"
            if lang in ("de", "pl", "cs", "tr")
            else f"{d.day:02d}/{d.month:02d}/{d.year}",
            f"{d.day}{dot}{month}",
            f"{d.year}-{d.month:02d}-{d.day:02d}",
        ]
    )


def birth(rng: random.Random, lang: str) -> str:
    """A date of birth: always with its year."""
    while True:
        text = date(rng, lang, 1930, 2010)
        if sum(c.isdigit() for c in text) >= 5 and ":" not in text:
            return text


def clock(rng: random.Random, lang: str) -> str:
    """A time of day."""
    h, m = rng.randint(0, 23), rng.choice([0, 15, 30, 45, rng.randint(0, 59)])
    if lang != "en" or rng.random() < 0.4:
        return f"{h:02d}:{m:02d}"
    return rng.choice(
        [
            f"{h % 12 + 1} {rng.choice(['am', 'pm', 'a.m.', 'p.m.'])}",
            f"{h % 12 + 1}:{m:02d} {rng.choice(['AM', 'PM', 'pm'])}",
            f"{h % 12 + 1}pm",
        ]
    )


def email(rng: random.Random, first: str, last: str, domain: str) -> str:
    """A mail address."""
    user = rng.choice(
        [
            f"{first}.{last}",
            f"{first}{last}",
            f"{first[0]}{last}",
            f"{first}_{last}",
            f"{first}{rng.randint(1, 99)}",
            f"{last}.{first}",
            "info",
            "office",
            f"{first}",
        ]
    )
    if rng.random() < 0.4:
        domain = rng.choice(
            [
                "gmail.com",
                "yahoo.com",
                "outlook.com",
                "hotmail.co.uk",
                "gmx.de",
                "web.de",
                "orange.fr",
                "icloud.com",
                "proton.me",
                "example.com",
            ]
        )
    text = f"{user}@{domain}"
    return text if rng.random() < 0.9 else text.title().replace(".Com", ".com")


def zipcode(rng: random.Random, lang: str) -> str:
    """A postal code."""
    patterns = {
        "en": [
            "#####",
            "#####",
            "#####",
            "#####-####",
            "AA# #AA",
            "AA## #AA",
            "A# #AA",
            "A#A #A#",
            "####",
            "### ##",
            "######",
            "#####-###",
            "####-###",
            "#### AA",
        ],
        "pl": ["##-###"],
        "nl": ["#### AA"],
        "pt": ["####-###", "#####-###"],
        "sv": ["### ##"],
        "cs": ["### ##"],
    }
    return fill(rng, rng.choice(patterns.get(lang, ["#####"])))


def zip_us(rng: random.Random) -> str:
    """A postal code of the US."""
    return fill(rng, rng.choice(["#####", "#####", "#####-####"]))
