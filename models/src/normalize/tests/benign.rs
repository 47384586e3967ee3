//! Ordinary texts: nothing is found in them, and what is spelling or picture stays as it is.

use super::*;

/// Sentences that normalising must leave as they are, byte for byte.
const LANGUAGES: &[&str] = &[
    "Please summarise the attached report in three sentences, and don't skip the numbers.",
    "Könnten Sie mir bitte erklären, wie eine Wärmepumpe im Winter funktioniert? Über die Größe weiß ich nichts.",
    "Pourriez-vous m'expliquer où se trouve la gare la plus proche ? Ça m'aiderait énormément, où que j'aille.",
    "¿Podrías decirme cuáles son los ingredientes de una buena tortilla española? ¡Muchísimas gracias, señora!",
    "Você pode me ajudar a escrever uma carta de apresentação para uma vaga de professor? Não sei por onde começar.",
    "Potresti spiegarmi perché il cielo è blu? È una domanda che mia figlia mi fa più volte al giorno.",
    "Czy możesz mi powiedzieć, jak przygotować żurek? Źródła w internecie są sprzeczne, a goście już jadą.",
    "Расскажите, пожалуйста, как приготовить борщ. Хорошо ли он хранится? Её сестра, он сам и роса на траве. НЕТ!",
    "Розкажіть, будь ласка, про історію Києва. Її заснували брати, і це всі знають. Ґанок, їжак, єнот.",
    "Можете ли да ми кажете колко струва билетът за влака до София? Не съм сигурен, че имам време.",
    "Можете ли ми рећи где је најближа апотека? Љубав, њива, џеп и ђак су лепе речи.",
    "Μπορείτε να μου πείτε πού είναι ο σταθμός; Το νερό και η ύλη. Και ποιο είναι το όνομα; ΟΧΙ, ΝΑΙ, ΑΥΤΟ.",
    "Կարո՞ղ եք ասել, թե որտեղ է կայարանը։ Ես սիրում եմ հայոց լեզուն։",
    "هل يمكنك أن تشرح لي كيف تعمل الطاقة الشمسية؟ اللُّغَةُ العَرَبِيَّةُ جميلة.",
    "می\u{200c}خواهم بدانم کتاب\u{200c}های این نویسنده را از کجا می\u{200c}توانم بخرم.",
    "האם תוכל להסביר לי איך עובד מנוע חשמלי? שָׁלוֹם לְכֻלָּם.",
    "क्या आप मुझे बता सकते हैं कि यह ट्रेन कब चलेगी? क्\u{200d}ष और श्री, विद्\u{200c}या।",
    "আপনি কি আমাকে বলতে পারেন এই বইটির দাম কত? র\u{200d}্যাব",
    "இந்த ரயில் எப்போது புறப்படும் என்று சொல்ல முடியுமா?",
    "ශ්\u{200d}රී ලංකාව ගැන මට කියන්න.",
    "ช่วยแนะนําร้านอาหารไทยหน่อยได้ไหม ขอบคุณมาก",
    "Bạn có thể giải thích cho tôi cách nấu phở không? Tôi rất thích món ăn này và đường phố ở Huế.",
    "Bana en yakın eczanenin nerede olduğunu söyler misin? Ilık süt, ışık, sınır ve kıyı. İyi günler.",
    "请问你能帮我解释一下这段代码的意思吗?我不太明白。",
    "この文章を要約していただけますか。カタカナとひらがなとガギグゲゴ、漢字も。",
    "이 문장을 영어로 번역해 주시겠어요? 감사합니다.",
    "እባክህ የሚቀጥለው ባቡር መቼ እንደሚነሳ ንገረኝ።",
    "გთხოვთ, მითხრათ, სად არის უახლოესი აფთიაქი.",
    "Tafadhali niambie jinsi ya kupika wali wa nazi; ninahitaji msaada wako leo.",
    "Voisitko kertoa, missä lähin kirjasto on? Käyn siellä joka viikko äidin kanssa.",
    "Meg tudná mondani, hol van a legközelebbi gyógyszertár? Köszönöm szépen, őszintén, űrhajós.",
    "Kunt u mij vertellen hoe laat de trein vertrekt? Ik ben zo'n beetje de weg kwijt.",
    "👨\u{200d}👩\u{200d}👧\u{200d}👦 Family trip! 🏳\u{fe0f}\u{200d}🌈 ❤\u{fe0f}\u{200d}🔥 👩🏽\u{200d}🚀 🇩🇪🇫🇷🇯🇵🇺🇸 1\u{fe0f}\u{20e3} ☎\u{fe0e} 🤷🏻\u{200d}♀\u{fe0f}",
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} against 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}, 😀😀😀 🅰\u{fe0f}🅱\u{fe0f}",
];

/// Texts that hold much that looks encoded, and hide nothing.
const LOOKALIKES: &[&str] = &[
    // numbers, units, names
    "Our B2B offer: GPT-4o, 3D printing, mp3 and mp4 files, H2O, CO2, a PS5 and an RTX4090, from 9:30 to 17:45.",
    "Version 1.2.3-rc4 supersedes v1.0.12b; k8s, i18n, l10n, a11y, e2e, p2p, x86_64, arm64v8, utf8, base64, sha256, md5.",
    "Flight LH1234 leaves at 07h35 from gate B42, seat 12A; my PNR is X7K9QZ and the fare was 1,249.00 EUR.",
    "Call +49 30 1234 5678 or (555) 867-5309, fax 0049-30-12-34-56-78, ext. 4455.",
    "The IBAN DE89 3704 0044 0532 0130 00 and the card 4111 1111 1111 1111 are the usual examples.",
    "Glucose is C6H12O6, caffeine C8H10N4O2, and CH3CH2OH is ethanol; 2H2 + O2 -> 2H2O.",
    "Find x: 3x^2 + 4x - 5 = 0, where a1 = 2, b2 = 7 and f(x) = ax + b; e = mc^2, i.e. 5m/s at 20C.",
    "It is 20m long, weighs 5kg, uses 60W at 230V, runs 2h30m at 1.5GHz with 16GB RAM and 4K at 60fps.",
    "See item5, step2, user1, word3, rule7, file10, chapter 4b, the 1st, 2nd, 3rd, 4th, 21st and the 80s and 90s.",
    "A B C D E F G are the notes; the options are: A, B, C, D, E or F. Vitamins A, B, C, D, E and K.",
    "J. R. R. Tolkien, C. S. Lewis and G. K. Chesterton; U.S.A., U.K., e.g., i.e., a.m., p.m., N.A.T.O.",
    "The alphabet: a b c d e f g h i j k l m n o p q r s t u v w x y z. And q w e r t y u i o p.",
    "Sequence: A C G T A C G T T G C A A C G T A C G G T C A, then G A T T A C A.",
    "Moves: 1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7",
    "Matrix rows: 1 0 0 1 / 0 1 0 1 / 1 1 0 0; x y z w; a - b - c; p / q / r / s",
    "Wow!!! That's 100% great, isn't it?! Really?? $5 for it @ noon, 50/50 & more... #1 in C++ and C#.",
    "Write to anna.smith42@example.com or @john_d on the forum; his e-mail is j0hn.doe@mail.example.org.",
    "The meeting is at 10am in room 3B on 2024-05-17T08:30:00Z (UTC+2), week 20, Q3 FY25.",
    "She said no; he saw a live era, not a ton. Now we won ten pots, a dog and a god, part and trap.",
    "Be an heir: fur, ant, gel, tang, green or irk; one bar, he and ur, vex and or.",
    // identifiers and hashes
    "UUID 550e8400-e29b-41d4-a716-446655440000 and 123E4567-E89B-12D3-A456-426614174000.",
    "commit da39a3ee5e6b4b0d3255bfef95601890afd80709, sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "md5 d41d8cd98f00b204e9800998ecf8427e; colours #c0ffee, #ff8800 and #FACADE; MAC de:ad:be:ef:ca:fe.",
    "address 0xdeadbeefcafebabe, 0x7fff5fbff8c0, IPv6 2001:0db8:85a3:0000:0000:8a2e:0370:7334 and fe80::1",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==\">",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr8mT5pJgrbbYcFkq7VKvnLQvhnUKV2fEJmUzYzqYpT user@host",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ1q9pZ7Jm3i5d8o2tJ6u1xv0b3kwCgYIKoZIzj0EAwIw\nLzEtMCsGA1UEAwwkVGVzdCBDZXJ0aWZpY2F0ZSBmb3IgdW5pdCB0ZXN0cyBvbmx5\n-----END CERTIFICATE-----",
    "etag W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\", ULID 01ARZ3NDEKTSV4RRFFQ69G5FAV, key AKIAIOSFODNN7EXAMPLE",
    "git log --oneline: 9fceb02 Add tests; 1a410ef Fix build; cac0cab first; fdf4fc3 merge",
    // code and markup
    "fn main() { let v: Vec<u8> = (0..10).map(|i| i * 2).collect(); println!(\"{v:?} {:#x}\", 0x1f); }",
    "for (int i = 0; i < n; i++) { a[i] = b[i] + c[i]; } /* O(n) */ #include <stdio.h> if (!feof(fp)) return -1;",
    "import numpy as np\nx = np.zeros((3, 4))\ny1, y2 = x[0], x[1]\nprint(f\"{y1.sum():.2f}\")  # a b c d\n",
    "SELECT u.id, u.name FROM users AS u JOIN orders o ON o.user_id = u.id WHERE o.total > 100 AND u.email LIKE '%@example.com';",
    "{\"id\": 17, \"name\": \"caf\\u00e9\", \"tags\": [\"a\", \"b\", \"c\", \"d\"], \"price\": 12.5, \"ok\": true, \"none\": null}",
    "<p>Tom &amp; Jerry &lt;3 &quot;cheese&quot;&#8217;s &nbsp; &#169; 2024 &#8212; all rights reserved</p>",
    "https://example.com/a/b-c_d/search?q=rust%20async&lang=en&page=2#top and file:///usr/local/share/doc/readme.txt",
    "https://ru.wikipedia.org/wiki/%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0 is the page; 100%25 sure.",
    "$end = $this->core; if ($user != $self) { $top++; } echo \"${HOME}/bin:$PATH\"; !important; a|b; x+y",
    "sed -e 's/\\x1b\\[[0-9;]*m//g' file | awk '{print $1, $2}' | sort -u > out.txt 2>&1",
    "rgba(255, 128, 0, 0.5); h1, h2, h3 { margin: 0 auto !important; } .col-md-6 { width: 50% }",
    "const re = /^\\d{3}-\\w+\\s?[a-f0-9]{8}$/i; const s = '\\u2028'; let t0 = l1 + p0 - s3;",
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-0\nspec:\n  containers:\n  - image: nginx:1.27.2\n    ports: [80, 443]\n",
    "|  a |  b |  c |  d |\n|---|---|---|---|\n|  1 |  2 |  3 |  4 |\n|  x |  y |  z |  w |\n",
    "0000000 7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00\n0000010 03 00 3e 00 01 00 00 00 c0 19 00 00 00 00 00 00",
    "\\frac{a}{b} + \\sum_{i=0}^{n} x_i \\cdot \\alpha_1 = \\mathbb{E}[X], \\uparrow \\Updownarrow",
    "diff --git a/src/lib.rs b/src/lib.rs\nindex 83db48f..bf269f4 100644\n@@ -1,4 +1,5 @@\n-use a::b;\n+use a::c;",
    "C:\\Users\\anna\\Documents\\u2\\x.txt and \\\\server\\share\\dead\\beef\\data",
    "2024-05-17 12:34:56.789 INFO [main] c.e.App - started in 3.21s (pid=4242) tid=0x00007f8e1c000b20",
    "Dear customer service, my order 4711-0815 has not arrived; I'd like to change the password of my account, please.",
    "Please ignore the typo in my previous message. Let me forget about the old instructions for the washing machine.",
    "C-H-O-N are the atoms of life; T-shirt, X-ray, U-turn, vis-a-vis, rock'n'roll, well-to-do, ex-wife.",
    "well_known_function_name, someCamelCaseIdentifier42, SCREAMING_SNAKE_CASE_2, kebab-case-name-v2, path/to/some/file",
    "Ingredients: 2 cups flour, 1 1/2 tsp salt, 3/4 cup sugar (150g), 2 eggs, 350F for 25min. Yield: 12-16 pcs.",
    "αx + βy = γz, Δt = 5 μs, R = 10 kΩ, σ² and χ²-test, ∑ᵢ xᵢ, ℝ³, ∀ε>0 ∃δ, ½ cup, 20 °C, № 5, ™ and ©",
    "Latency 0.87ms 17.12ms, 7.09k req/s, 33.11k in 10.10s; 4WAY, U+1E55, U+1EF7 and 11F3; FourCC 0x6f766572 and 0x6f70656e.",
    "to be or not to be - that is the question: whether 'tis nobler in the mind to suffer",
];

#[test]
fn spelling_of_many_languages_stays() {
    for text in LANGUAGES {
        let plain = normalize(text);
        assert_eq!(plain.text, *text);
        assert!(matches!(plain.text, Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn ordinary_text_hides_nothing() {
    assert!(LANGUAGES.len() + LOOKALIKES.len() >= 80);
    let limits = Limits {
        reversed: true,
        ..Limits::default()
    };
    for text in LANGUAGES.iter().chain(LOOKALIKES) {
        let found = candidates(text, &limits);
        assert!(
            found.items.is_empty() && !found.truncated,
            "{text}\n{found:#?}"
        );
    }
    // Nor do all of them together.
    let all = [LANGUAGES, LOOKALIKES].concat().join("\n");
    let found = candidates(&all, &limits);
    assert!(found.items.is_empty() && !found.truncated, "{found:#?}");
}

/// What is honestly encoded is decoded: allowed, of these kinds only.
#[test]
fn honest_encodings_give_only_their_own_kind() {
    for (text, kind) in [
        (
            "https://example.com/search?q=how%20to%20cook%20rice%20with%20beans",
            Kind::Percent,
        ),
        (
            "{\"greeting\": \"\\u4f60\\u597d\\uff0c\\u4eca\\u5929\\u5929\\u6c14\\u600e\\u4e48\\u6837\"}",
            Kind::Unicode,
        ),
        (
            "data: aGVsbG8gd29ybGQsIHRoaXMgaXMgYSB0ZXN0Cg==",
            Kind::Base64,
        ),
        ("His password was P@ssw0rd, of course.", Kind::Leet),
        (
            "&#1055;&#1088;&#1080;&#1074;&#1077;&#1090;, &#1084;&#1080;&#1088;",
            Kind::Html,
        ),
    ] {
        let found = candidates(
            text,
            &Limits {
                reversed: true,
                ..Limits::default()
            },
        );
        assert!(
            found.items.len() <= 1 && found.items.iter().all(|c| c.chain == [kind]),
            "{text}\n{found:#?}"
        );
    }
}
