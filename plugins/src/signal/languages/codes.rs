//! ISO 639 codes: two letters (639-1) and three (639-3, and the macrolanguages that whatlang's languages belong to).

use whatlang::Lang;

/// The language of a code, in any case.
pub(super) fn parse(code: &str) -> Option<Lang> {
    let code = code.to_ascii_lowercase();
    let known = CODES
        .iter()
        .find(|(short, other, _)| *short == code || *other == code);
    match known {
        Some((_, _, lang)) => Some(*lang),
        None => Lang::from_code(code),
    }
}

/// The shortest code of a language.
pub(super) fn short(lang: Lang) -> &'static str {
    let known = CODES.iter().find(|(_, _, other)| *other == lang);
    known.map_or_else(|| lang.code(), |(short, _, _)| short)
}

/// Code of ISO 639-1, code of ISO 639-3 where it is another one than whatlang's (macrolanguages), language.
const CODES: &[(&str, &str, Lang)] = &[
    ("af", "afr", Lang::Afr),
    ("ak", "aka", Lang::Aka),
    ("am", "amh", Lang::Amh),
    ("ar", "ara", Lang::Ara),
    ("az", "aze", Lang::Aze),
    ("be", "bel", Lang::Bel),
    ("bg", "bul", Lang::Bul),
    ("bn", "ben", Lang::Ben),
    ("ca", "cat", Lang::Cat),
    ("cs", "ces", Lang::Ces),
    ("cy", "cym", Lang::Cym),
    ("da", "dan", Lang::Dan),
    ("de", "deu", Lang::Deu),
    ("el", "ell", Lang::Ell),
    ("en", "eng", Lang::Eng),
    ("eo", "epo", Lang::Epo),
    ("es", "spa", Lang::Spa),
    ("et", "est", Lang::Est),
    ("fa", "fas", Lang::Pes),
    ("fi", "fin", Lang::Fin),
    ("fr", "fra", Lang::Fra),
    ("gu", "guj", Lang::Guj),
    ("he", "heb", Lang::Heb),
    ("hi", "hin", Lang::Hin),
    ("hr", "hrv", Lang::Hrv),
    ("hu", "hun", Lang::Hun),
    ("hy", "hye", Lang::Hye),
    ("id", "ind", Lang::Ind),
    ("it", "ita", Lang::Ita),
    ("ja", "jpn", Lang::Jpn),
    ("jv", "jav", Lang::Jav),
    ("ka", "kat", Lang::Kat),
    ("km", "khm", Lang::Khm),
    ("kn", "kan", Lang::Kan),
    ("ko", "kor", Lang::Kor),
    ("la", "lat", Lang::Lat),
    ("lt", "lit", Lang::Lit),
    ("lv", "lav", Lang::Lav),
    ("mk", "mkd", Lang::Mkd),
    ("ml", "mal", Lang::Mal),
    ("mr", "mar", Lang::Mar),
    ("my", "mya", Lang::Mya),
    ("nb", "nob", Lang::Nob),
    ("no", "nor", Lang::Nob),
    ("ne", "nep", Lang::Nep),
    ("nl", "nld", Lang::Nld),
    ("or", "ori", Lang::Ori),
    ("pa", "pan", Lang::Pan),
    ("pl", "pol", Lang::Pol),
    ("pt", "por", Lang::Por),
    ("ro", "ron", Lang::Ron),
    ("ru", "rus", Lang::Rus),
    ("si", "sin", Lang::Sin),
    ("sk", "slk", Lang::Slk),
    ("sl", "slv", Lang::Slv),
    ("sn", "sna", Lang::Sna),
    ("sr", "srp", Lang::Srp),
    ("sv", "swe", Lang::Swe),
    ("ta", "tam", Lang::Tam),
    ("te", "tel", Lang::Tel),
    ("th", "tha", Lang::Tha),
    ("tk", "tuk", Lang::Tuk),
    ("tl", "tgl", Lang::Tgl),
    ("tr", "tur", Lang::Tur),
    ("uk", "ukr", Lang::Ukr),
    ("ur", "urd", Lang::Urd),
    ("uz", "uzb", Lang::Uzb),
    ("vi", "vie", Lang::Vie),
    ("yi", "yid", Lang::Yid),
    ("zh", "zho", Lang::Cmn),
    ("zu", "zul", Lang::Zul),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_short_code_that_means_it() {
        for &lang in Lang::all() {
            assert_eq!(short(lang).len(), 2, "{lang}");
            assert_eq!(parse(short(lang)), Some(lang));
            assert_eq!(parse(lang.code()), Some(lang));
        }
    }

    #[test]
    fn unknown_codes() {
        for code in ["", "xx", "german", "d", "deu "] {
            assert_eq!(parse(code), None, "{code}");
        }
        assert_eq!(parse("DE"), Some(Lang::Deu));
        assert_eq!(parse("zho"), Some(Lang::Cmn));
    }
}
