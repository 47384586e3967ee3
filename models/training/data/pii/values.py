"""Made-up values of each kind, in the manner of many countries."""

from __future__ import annotations

import random
import string

from faker import Faker

import lists
import numbers_of as numbers

# Locales of names and places for English text, roughly by how often such names are met.
MIXED = {
    "en_US": 30,
    "en_GB": 9,
    "en_IN": 8,
    "de_DE": 6,
    "fr_FR": 6,
    "es_ES": 5,
    "es_MX": 5,
    "it_IT": 5,
    "pt_BR": 5,
    "nl_NL": 3,
    "pl_PL": 3,
    "sv_SE": 2,
    "da_DK": 2,
    "no_NO": 2,
    "fi_FI": 2,
    "cs_CZ": 2,
    "tr_TR": 3,
    "ro_RO": 2,
    "hu_HU": 2,
    "en_CA": 2,
    "en_AU": 3,
    "en_NZ": 1,
    "en_IE": 2,
    "fr_CA": 1,
    "de_AT": 1,
    "de_CH": 1,
    "hr_HR": 1,
    "sk_SK": 1,
    "id_ID": 2,
    "en_PH": 1,
    "sl_SI": 1,
    "et_EE": 1,
    "lt_LT": 1,
    "es_CO": 1,
    "en_NG": 2,
}
BY_LANGUAGE = {
    "de": ["de_DE", "de_AT", "de_CH"],
    "fr": ["fr_FR", "fr_CA", "fr_CH"],
    "es": ["es_ES", "es_MX", "es_CO"],
    "it": ["it_IT"],
    "pt": ["pt_BR", "pt_PT"],
    "nl": ["nl_NL", "nl_BE"],
    "pl": ["pl_PL"],
    "sv": ["sv_SE"],
    "tr": ["tr_TR"],
    "cs": ["cs_CZ"],
}


class Values:
    """One stream of values; the same seed gives the same values."""

    def __init__(self, seed: int, lang: str = "en", stock: dict[str, list[str]] | None = None) -> None:
        self.rng = random.Random(seed)
        self.lang = "en" if lang == "xx" else lang
        self.stock = stock or {}
        self.fakers: dict[str, Faker] = {}

    def faker(self) -> Faker:
        """A generator of one of the language's locales."""
        if self.lang == "en":
            name = self.rng.choices(list(MIXED), weights=list(MIXED.values()))[0]
        else:
            name = self.rng.choice(BY_LANGUAGE[self.lang])
        if name not in self.fakers:
            self.fakers[name] = Faker(name)
            self.fakers[name].seed_instance(self.rng.random())
        return self.fakers[name]

    def first(self) -> str:
        """A given name."""
        if self.lang == "en" and self.rng.random() < 0.25:
            return self.rng.choice(lists.FIRST)
        if self.stock and self.lang == "en" and self.rng.random() < 0.2:
            return self.rng.choice(self.stock["first"])
        return self.faker().first_name()

    def last(self) -> str:
        """A family name."""
        if self.lang == "en" and self.rng.random() < 0.22:
            return self.rng.choice(lists.LAST)
        if self.stock and self.lang == "en" and self.rng.random() < 0.2:
            return self.rng.choice(self.stock["last"])
        return self.faker().last_name()

    def person(self) -> str:
        """A full name, now and then with an initial, a double name or only in part."""
        kind = self.rng.random()
        if self.lang == "en" and kind < 0.2:
            return f"{self.rng.choice(lists.FIRST)} {self.rng.choice(lists.LAST)}"
        faker = self.faker()
        first, last = faker.first_name(), faker.last_name()
        if self.stock and self.lang == "en" and kind < 0.4:
            i = self.rng.randrange(len(self.stock["first"]))
            first, last = self.stock["first"][i], self.stock["last"][i]
        form = self.rng.random()
        if form < 0.08:
            return f"{first} {self.rng.choice(string.ascii_uppercase)}. {last}"
        if form < 0.11:
            return f"{first} {self.rng.choice(string.ascii_uppercase)} {last}"
        if form < 0.14:
            return f"{first[0]}. {last}"
        if form < 0.17:
            return f"{first} {faker.first_name()} {last}"
        if form < 0.19:
            return f"{first} {last}-{faker.last_name()}"
        return f"{first} {last}"

    def city(self) -> str:
        """A city."""
        kind = self.rng.random()
        if self.lang == "en" and kind < 0.5:
            return self.rng.choice(lists.CITIES)
        if self.stock and self.lang == "en" and kind < 0.75:
            return self.rng.choice(self.stock["city"])
        return self.faker().city()

    def country(self) -> str:
        """A country, under its usual names."""
        if self.lang != "en":
            return self.faker().country()
        return self.rng.choice(lists.COUNTRIES)

    def state(self) -> str:
        """A state of the US, or a region."""
        return self.rng.choice(lists.STATES)

    def org(self) -> str:
        """A company, an authority, a university or a hospital."""
        kind = self.rng.random()
        if kind < 0.3 or (self.lang != "en" and kind < 0.5):
            return self.faker().company()
        if kind < 0.6 and self.stock:
            return self.rng.choice(self.stock["org"])
        if kind < 0.75:
            return self.rng.choice(lists.ORGS)
        if kind < 0.85:
            place = self.rng.choice([self.city(), self.last()])
            return self.rng.choice(lists.INSTITUTIONS).format(place)
        last = self.last()
        return self.rng.choice(lists.FIRMS).format(last, self.last(), self.rng.choice(lists.WORDS))

    def nrp(self) -> str:
        """A nationality, a religion's or a party's adjective."""
        if self.lang != "en":
            return self.rng.choice(lists.NRP_FOREIGN.get(self.lang, lists.NRP))
        return self.rng.choice(lists.NRP if self.rng.random() < 0.85 else lists.BELIEFS)

    def title(self) -> str:
        """A form of address."""
        if self.lang != "en":
            return self.rng.choice(["Dr.", "Prof.", "Dr."])
        return self.rng.choice(lists.TITLES)

    def job(self) -> str:
        """A job's title."""
        job = self.rng.choice(lists.JOBS)
        if self.lang == "en" and self.rng.random() < 0.5:
            job = self.faker().job()
        return job if self.rng.random() < 0.5 else job.lower()

    def email(self, first: str = "", last: str = "") -> str:
        """An address, usually made of a name."""
        first = numbers.plain(first or self.first())
        last = numbers.plain(last or self.last())
        return numbers.email(self.rng, first or "kim", last or "lee", self.domain())

    def domain(self) -> str:
        """A host's name."""
        words = [numbers.plain(self.last()) or "acme", self.rng.choice(lists.WORDS).lower()]
        name = self.rng.choice(["{0}{1}", "{0}-{1}", "{1}", "{0}", "my{1}", "{1}hub"]).format(*words)
        return name + self.rng.choice([".com", ".com", ".org", ".net", ".de", ".co.uk", ".io", ".fr", ".es", ".eu"])
