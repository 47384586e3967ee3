#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::exchange::RequestHead;
use crate::signal::testing::{exchange, of, user};

/// The numbers are those of o200k_base.
#[rstest]
#[case(
    "Der Kühlschrank funktioniert, indem ein Kältemittel in einem geschlossenen Kreislauf verdampft und wieder verflüssigt wird. Beim Verdampfen nimmt es Wärme aus dem Innenraum auf, die anschließend an der Rückseite des Geräts an die Umgebung abgegeben wird. Für die Verdichtung sorgt ein elektrisch angetriebener Kompressor. Könnten Sie mir bitte eine Zusammenfassung der wichtigsten Vertragsbedingungen schicken, damit ich sie morgen mit meiner Rechtsschutzversicherung besprechen kann?",
    100
)]
#[case(
    "Le réfrigérateur fonctionne grâce à un fluide frigorigène qui s'évapore et se condense dans un circuit fermé. En s'évaporant, il absorbe la chaleur de l'intérieur, qui est ensuite rejetée à l'arrière de l'appareil. Pourriez-vous m'envoyer un résumé des principales conditions du contrat afin que je puisse en discuter demain avec mon assurance ?",
    79
)]
#[case(
    "Холодильник работает благодаря тому, что хладагент испаряется и снова сжижается в замкнутом контуре. При испарении он забирает тепло изнутри, которое затем отдаётся окружающей среде на задней стенке прибора. Сжатие обеспечивает электрический компрессор. Не могли бы вы прислать мне краткое изложение основных условий договора, чтобы я мог завтра обсудить их со страховой компанией?",
    97
)]
#[case(
    "تعمل الثلاجة عن طريق تبخر مادة التبريد وتسييلها مرة أخرى في دائرة مغلقة. عند التبخر تمتص الحرارة من الداخل، ثم تطلقها إلى البيئة المحيطة في الجزء الخلفي من الجهاز. هل يمكنك أن ترسل لي ملخصا لأهم شروط العقد حتى أتمكن من مناقشتها غدا مع شركة التأمين؟",
    80
)]
#[case(
    "रेफ्रिजरेटर एक बंद परिपथ में शीतलक के वाष्पित होने और फिर से द्रव बनने से काम करता है। वाष्पित होते समय यह अंदर की गर्मी सोख लेता है, जो बाद में उपकरण के पीछे वातावरण में छोड़ दी जाती है। क्या आप मुझे अनुबंध की मुख्य शर्तों का सारांश भेज सकते हैं?",
    80
)]
#[case(
    "ตู้เย็นทำงานโดยให้สารทำความเย็นระเหยและกลั่นตัวกลับเป็นของเหลวในวงจรปิด เมื่อระเหยจะดูดซับความร้อนจากภายใน แล้วปล่อยออกสู่สิ่งแวดล้อมที่ด้านหลังของเครื่อง ช่วยส่งสรุปเงื่อนไขสำคัญของสัญญาให้ฉันหน่อยได้ไหม",
    90
)]
#[case(
    "冰箱的工作原理是让制冷剂在封闭的循环中不断蒸发和液化。蒸发时它从内部吸收热量,然后在设备背面把热量释放到环境中。压缩由电动压缩机完成。请把合同最重要的条款总结一下发给我,这样我明天可以和我的保险公司讨论。人工智能技术正在快速发展,越来越多的公司开始使用大型语言模型来处理客户的问题。",
    106
)]
#[case(
    "冷蔵庫は、冷媒が閉じた回路の中で蒸発と液化を繰り返すことによって動作します。蒸発するときに庫内の熱を吸収し、その熱は装置の背面から外に放出されます。圧縮は電動コンプレッサーが行います。契約の重要な条件をまとめて送っていただけますか。明日、保険会社と相談したいと思います。",
    110
)]
#[case(
    "냉장고는 냉매가 닫힌 회로 안에서 증발과 액화를 반복하면서 작동합니다. 증발할 때 내부의 열을 흡수하고, 그 열은 장치 뒤쪽에서 주변으로 방출됩니다. 압축은 전기 압축기가 담당합니다. 내일 보험 회사와 상의할 수 있도록 계약의 주요 조건을 요약해서 보내 주시겠습니까?",
    89
)]
#[case(
    "pub fn len(&self) -> usize {\n    self.items.iter().filter(|item| item.is_some()).count()\n}\n",
    25
)]
fn near_a_real_tokenizer(#[case] text: &str, #[case] real: usize) {
    let estimated = estimate(text);
    let error = estimated.abs_diff(real) as f64 / real as f64;
    assert!(error <= 0.2, "{estimated} instead of {real}");
}

#[test]
fn small_texts() {
    assert_eq!(estimate(""), 0);
    assert_eq!(estimate("hello"), 1);
    assert_eq!(estimate("hello world"), 2);
    assert_eq!(estimate("123456"), 2);
}

#[test]
fn a_request_is_more_than_its_texts() {
    let plain = of_request(&user("hello"));
    assert_eq!(plain, 1 + PER_MESSAGE);
    let rich = exchange(json!({
        "model": "auto",
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "hello"},
            {"type": "image_url", "image_url": {"url": "http://localhost/a.png"}},
        ]}],
        "tools": [{"type": "function", "function": {"name": "look"}}],
    }));
    assert!(of_request(&rich) > plain + PER_IMAGE + 5);
}

#[test]
fn token_ids_count_one_each() {
    let body = json!({"model": "m", "prompt": [1, 2, 3, 4, 5]});
    let request = of(Api::Completions, RequestHead::default(), body);
    assert_eq!(of_request(&request), 5);
}

proptest::proptest! {
    /// Longer texts never count less, and nothing counts more than two tokens a character.
    #[test]
    fn bounded(text in ".{0,80}", more in ".{0,20}") {
        let chars = text.chars().count();
        proptest::prop_assert!(estimate(&text) <= 2 * chars);
        let longer = text.clone() + &more;
        proptest::prop_assert!(estimate(&longer) >= estimate(&text));
    }
}

/// The estimate as it is defined: run by run.
fn by_runs(text: &str) -> usize {
    let chars: Vec<char> = text.chars().collect();
    let mut units = 0;
    let mut before = None;
    for run in chars.chunk_by(|a, b| class(*a) == class(*b)) {
        let kind = class(run[0]);
        let swallowed =
            kind == Class::Break && matches!(before, Some(Class::Mark | Class::WideMark));
        if !swallowed {
            units += cost(kind, run.len());
        }
        before = Some(kind);
    }
    units.div_ceil(UNIT)
}

proptest::proptest! {
    /// Counting in blocks comes to the same.
    #[test]
    fn blocks_count_as_runs_do(
        text in "([ -~\\t\\n\\r]{0,200}|[a-z]{100,300}|[.…–]{0,9}\n{0,3}|[0-9]{0,200}|[äé漢字я ]{0,20}){0,4}"
    ) {
        proptest::prop_assert_eq!(estimate(&text), by_runs(&text));
    }
}
