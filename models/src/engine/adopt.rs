//! Settings that a checkpoint brings along.

use super::options::{Combine, EngineOptions, WindowOptions};
use crate::checkpoint::Checkpoint;

/// The label of texts that a guard lets pass; what else it can say is bad news.
const BENIGN: &str = "benign";

impl EngineOptions {
    /// Takes over what a checkpoint says of its heads: temperature, thresholds and windows. Heads that `heads` names
    /// stay as they are there.
    ///
    /// A head that has a threshold and a label `benign` is a guard: its worst window speaks for the text.
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
            if settings.threshold.is_some() && info.labels.iter().any(|label| label == BENIGN) {
                let others = info.labels.iter().filter(|label| *label != BENIGN);
                options.combine = Combine::Max(others.cloned().collect());
            }
            self.heads.insert(info.name.clone(), options);
        }
        self
    }
}
