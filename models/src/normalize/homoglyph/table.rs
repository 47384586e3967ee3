//! Letters that look like an ASCII letter.
//!
//! Source: Unicode Technical Standard 39, `confusables.txt` of Unicode 18 (as in `unicode-security` 0.1.3): every letter
//! of these scripts whose prototype is a single ASCII letter and which NFKC leaves alone. The prototype of `I`, `l` and
//! `1` is one there; here a capital gives `I`, an iota `i`. The weak rows are not in that file: letters that merely
//! resemble, as attackers use them. Each row is pairs of letter and likeness.

/// Which script a letter is of, as far as telling scripts apart needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// Latin letters beyond ASCII: no evidence of mixing.
    Latin,
    /// Letters made for ornament: small capitals.
    SmallCapital,
    /// Letters in boxes and circles that NFKC leaves alone.
    Enclosed,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
    /// Others, seldom met: Coptic, Lisu, Canadian syllabics and old alphabets.
    Other,
}

/// `(script, whether the likeness is weak, pairs)`.
pub(super) const ROWS: &[(Script, bool, &str)] = &[
    (Script::Latin, false, "ıiȷjɑaɡgɣyɩiɯwʋuſs"),
    (
        Script::SmallCapital,
        false,
        "ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpꞯqʀrꜱsᴛtᴜuᴠvᴡwʏyᴢz",
    ),
    (
        Script::Greek,
        false,
        "ͿJΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXαaγyιiνvοoρpσoυuϜFϳjϸpϺMάaίiόoύu",
    ),
    (Script::Greek, true, "βbεeηnκkτtχxωwέeήnώw"),
    (
        Script::Cyrillic,
        false,
        "ЅSІIЈJАAВBЕEКKМMНHОOРPСCТTУYХXЬbаaгrеeоoрpсcуyхxѕsіiјjѡwѴVѵvҮYүyҺHһhҽeӀIӏlԁdԌGԚQԛqԜWԝwᲂoᲃcꙇiёeїi",
    ),
    (Script::Cyrillic, true, "вbкkмmнhтtпnиuшwЯRИN"),
    (Script::Armenian, false, "ՍUՏSՕOաwգqզqհhյjոnռnսuցgւiքfօo"),
    (
        Script::Cherokee,
        false,
        "ᎠDᎡRᎢTᎥiᎩYᎪAᎫJᎬEᎳWᎷMᎻHᎽYᏀGᏂhᏃZᏏbᏒRᏔWᏕSᏙVᏚSᏞLᏟCᏢPᏦKᏧdᏳGᏴBꭵiꮁrꮃwꮓzꮤwꮩvꮪsꮯc",
    ),
    (
        Script::Other,
        false,
        "ϭoⲂBⲅrⲌZⲍzⲎHⲒIⲓiⲔKⲘMⲚNⲞOⲟoⲢPⲣpⲤCⲥcⲦTⲨYⲩyⲬXⲽwⳎPⳏpⳐL",
    ),
    (
        Script::Other,
        false,
        "ႽSჍZყyჽSჿoᲽSᲿOᐯVᑌUᑭPᑯdᑲbᒍJᒪLᕁxᕼHᕽxᖇRᖯbᖴFᗅAᗞDᗪDᗰMᗷB",
    ),
    (
        Script::Other,
        false,
        "ⴸVⴹEⵊIⵏIⵔOⵕQⵝXꓐBꓑPꓒdꓓDꓔTꓖGꓗKꓙJꓚCꓜZꓝFꓟMꓠNꓡLꓢSꓣRꓦVꓧHꓪWꓫXꓬYꓮAꓰEꓲIꓳOꓴU",
    ),
    (
        Script::Other,
        false,
        "𐊂B𐊆E𐊇F𐊊I𐊐X𐊒O𐊕P𐊖S𐊗T𐊠A𐊡B𐊢C𐊥F𐊫O𐊰M𐊱T𐊲Y𐊴X𐋏H𐌁B𐌂C𐌉i𐌏O𐌑M𐌕T𐌗X",
    ),
    (
        Script::Other,
        false,
        "𐐄O𐐕C𐐛L𐐠S𐐬o𐐽c𐑈s𐒴R𐓂O𐓎U𐓪o𐓶u𖼈V𖼊T𖼖L𖼨I𖼵R𖼺S𖽀A𖽂U𖽃Y",
    ),
];

/// The pairs of letters that are a flag when written in regional indicators: ISO 3166-1 alpha-2 and the exceptional
/// codes that CLDR knows as regions.
pub(super) const REGIONS: &str = "\
ACADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCPCQCRCUCVCWCXCYCZ\
DEDGDJDKDMDODZEAECEEEGEHERESETEUFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUICIDIEILIMINIOIQIRISIT\
JEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONP\
NRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTATCTDTFTGTHTJTKTLTMTNTOTR\
TTTVTWTZUAUGUMUNUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";
