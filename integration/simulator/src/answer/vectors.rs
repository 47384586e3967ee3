//! Embeddings, rerank and classify: numbers that depend only on the index, so that they are stable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Answer;

/// Length of an embedding when the request names none.
const DIMENSIONS: usize = 8;
/// Longest embedding that is made: beyond any real model's.
const MAX_DIMENSIONS: usize = 16_384;

impl Answer<'_> {
    pub(super) fn embeddings(&self) -> Vec<u8> {
        let wanted = self.request.dimensions.unwrap_or(DIMENSIONS);
        let dimensions = wanted.clamp(1, MAX_DIMENSIONS);
        let data: Vec<Value> = (0..self.request.items)
            .map(|index| {
                // A unit vector along one axis.
                let mut vector = vec![0.0_f32; dimensions];
                vector[index % dimensions] = 1.0;
                let embedding = if self.request.base64 {
                    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                    json!(STANDARD.encode(bytes))
                } else {
                    json!(vector)
                };
                json!({"object": "embedding", "index": index, "embedding": embedding})
            })
            .collect();
        let answer = json!({
            "object": "list",
            "data": data,
            "model": self.request.model,
            "usage": self.prompt_usage(),
        });
        answer.to_string().into_bytes()
    }

    /// The first document is the most relevant one.
    pub(super) fn rerank(&self) -> Vec<u8> {
        let wanted = self.request.top_n.unwrap_or(self.request.items);
        let results: Vec<Value> = (0..self.request.items.min(wanted))
            .map(|index| {
                #[expect(clippy::cast_precision_loss, reason = "an index of one request")]
                let score = 1.0 / (index + 1) as f64;
                json!({"index": index, "relevance_score": score})
            })
            .collect();
        let answer = json!({
            "id": format!("rerank-{:016x}", self.id),
            "model": self.request.model,
            "results": results,
            "usage": self.prompt_usage(),
        });
        answer.to_string().into_bytes()
    }

    pub(super) fn classify(&self) -> Vec<u8> {
        let data: Vec<Value> = (0..self.request.items)
            .map(|index| {
                json!({"index": index, "label": "SIMULATED", "probs": [0.75, 0.25], "num_classes": 2})
            })
            .collect();
        let answer = json!({
            "id": format!("classify-{:016x}", self.id),
            "object": "list",
            "created": self.created,
            "model": self.request.model,
            "data": data,
            "usage": self.prompt_usage(),
        });
        answer.to_string().into_bytes()
    }

    fn prompt_usage(&self) -> Value {
        json!({"prompt_tokens": self.usage.prompt, "total_tokens": self.usage.prompt})
    }
}
