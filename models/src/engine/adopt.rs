//! Settings that a checkpoint brings along.

use super::options::{Combine, EngineOptions, WindowOptions};
use crate::checkpoint::Checkpoint;

/// Labels of texts that a guard lets pass, in small letters; what else it can say is bad news.
const HARMLESS: [&str; 7] = [
    "benign",
    "safe",
    "legit",
    "normal",
    "no_injection",
    "no injection",
    "label_0",
];

/// The labels of a guard that are bad news.
pub(crate) fn attacks(labels: &[String]) -> Vec<String> {
    let harmful = |label: &&String| !HARMLESS.contains(&label.to_lowercase().as_str());
    labels.iter().filter(harmful).cloned().collect()
}

impl EngineOptions {
    /// Takes over what a checkpoint says of its heads: temperature, thresholds and windows. Heads that `heads` names
    /// stay as they are there.
    ///
    /// A head that has a threshold and a label of harmless texts is a guard: its worst window speaks for the text.
    #[must_use]
    pub fn adopt(mut self, checkpoint: &Checkpoint) -> Self {
        let heads = checkpoint.weights.heads.iter().map(|head| &head.info);
        for (info, settings) in heads.zip(&checkpoint.settings) {
            if self.heads.contains_key(&info.name) {
                continue;
            }
            let mut options = self.default_head.clone();
            options.temperature = settings.temperature;
            options.threshold = settings.threshold.unwrap_or(options.threshold);
            options.thresholds.clone_from(&settings.thresholds);
            if let Some(window) = settings.window {
                options.window = WindowOptions {
                    tokens: window.tokens,
                    overlap: window.overlap,
                };
            }
            let attacks = attacks(&info.labels);
            if settings.threshold.is_some() && attacks.len() < info.labels.len() {
                options.combine = Combine::Max(attacks);
            }
            self.heads.insert(info.name.clone(), options);
        }
        self
    }
}
