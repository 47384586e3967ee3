#![allow(clippy::unwrap_used)]

use super::*;
use crate::understand::fake::FakeUnderstanding;

fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        directions: vec!["prove", "hello"],
        ..FakeUnderstanding::default()
    }
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn share(contrast: &Contrast, text: &str) -> f32 {
    let vectors = vectors(&fake(), &[text]).await.unwrap();
    contrast.share(&vectors[0]).unwrap()
}

#[tokio::test]
async fn typical_texts_have_nine_tenths_and_one_tenth() {
    let mut contrasts = Contrasts::default();
    let contrast = contrasts.of((&list(&["prove it"]), ""), (&list(&["hello"]), ""));
    assert!(contrast.share(&[1.0, 0.0, 0.0]).is_err());
    contrasts.prepare(&fake()).await.unwrap();
    assert!((share(&contrast, "prove that").await - 0.9).abs() < 1e-4);
    assert!((share(&contrast, "hello you").await - 0.1).abs() < 1e-4);
    for neither in ["prove hello", "the weather"] {
        assert!((share(&contrast, neither).await - 0.5).abs() < 1e-4);
    }
}

#[tokio::test]
async fn rules_with_the_same_examples_share_them() {
    let mut contrasts = Contrasts::default();
    let one = contrasts.of((&list(&["prove it"]), ""), (&list(&["hello"]), ""));
    let same = contrasts.of((&list(&["prove it"]), ""), (&list(&["hello"]), ""));
    let other = contrasts.of((&list(&["hello"]), ""), (&list(&["prove it"]), ""));
    assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    let fake = fake();
    contrasts.prepare(&fake).await.unwrap();
    assert_eq!(fake.calls.lock().len(), 4);
}

#[tokio::test]
async fn sides_that_the_model_cannot_tell_apart_are_refused() {
    let mut contrasts = Contrasts::default();
    contrasts.of((&list(&["hello you"]), ""), (&list(&["hello me"]), ""));
    let error = contrasts.prepare(&fake()).await.unwrap_err();
    assert!(error.contains("no difference"), "{error}");
}
