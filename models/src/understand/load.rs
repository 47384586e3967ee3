//! From configuration to running models.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokenizers::Tokenizer;

use crate::agreement;
use crate::candle::{self, CandleEncoder, Place as CandlePlace};
use crate::checkpoint::{self, Checkpoint, HeadSettings};
use crate::encoder::{Encoder, Task};
use crate::engine::{self, Combine, Engine, EngineMetrics, EngineOptions, EngineParts};
use crate::native::{self, NativeEncoder, Threads};
use crate::normalize::{self, Limits};
use crate::rules::{Rules, RulesConfig};
use crate::source::{self, HubOptions, Located, Source};
use crate::weights::{EncoderWeights, Positions, Values};
use crate::{ModelError, rules};

use super::config::{Device, Precision, UnderstandingConfig};
use super::{Place, Question, Understanding};

/// A model in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedModel {
    /// What it answers.
    pub questions: Vec<&'static str>,
    /// Where it comes from, as configured.
    pub source: Source,
    /// The part of a bundle that it is, where that stands on an encoder of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Which state of it.
    pub revision: String,
    /// One hash of its files.
    pub content: String,
    /// How it runs: `native int8 avx2`, `candle cpu f32`, ...
    pub backend: String,
}

impl LoadedModel {
    /// What it is called: the source, and behind a slash the bundle's part.
    #[must_use]
    pub fn name(&self) -> String {
        self.source.with_member(self.member.as_deref())
    }
}

impl Understanding {
    /// Finds, reads and starts the models. Blocks for as long as that takes; the network is never asked.
    ///
    /// # Errors
    /// [`ModelError::Load`] with the model and what is wrong with it.
    pub fn load(
        config: &UnderstandingConfig,
        hub: &HubOptions,
        metrics: &EngineMetrics,
    ) -> Result<Self, ModelError> {
        let mut loader = Loader {
            config,
            hub,
            metrics,
            located: Vec::new(),
            engines: Vec::new(),
            threads: OnceCell::new(),
        };
        let mut places = BTreeMap::new();
        for question in Question::ALL {
            places.insert(question, loader.place(question)?);
        }
        let mut take = |question: Question| {
            let missing = || wrong(question.word(), "it was not loaded".to_owned());
            places.remove(&question).ok_or_else(missing)
        };
        let (jailbreak, labels, settings) = loader.attack(take(Question::Jailbreak)?)?;
        let identity = identity(config, hub, &loader.located);
        let rules = rules()?;
        warm_up(&rules);
        Ok(Self {
            domain: take(Question::Domain)?,
            jailbreak,
            pii: take(Question::Pii)?,
            embedding: take(Question::Embedding)?,
            attack_labels: labels,
            jailbreak_threshold: config
                .jailbreak_threshold
                .or(settings.threshold)
                .unwrap_or(0.5),
            operating_points: settings.operating_points,
            identity,
            rules,
            limits: Limits::default(),
            models: loader
                .engines
                .into_iter()
                .map(|engine| engine.loaded)
                .collect(),
        })
    }

    /// What [`Understanding::identity`] would be after a load now: reads and hashes the files, and loads nothing.
    ///
    /// # Errors
    /// [`ModelError::Load`] where a model is not there.
    pub fn identify(config: &UnderstandingConfig, hub: &HubOptions) -> Result<String, ModelError> {
        let mut located: Vec<Located> = Vec::new();
        for question in Question::ALL {
            let source = config.source(question);
            if !located.iter().any(|found| found.source == *source) {
                located.push(source::locate(source, hub)?);
            }
        }
        Ok(identity(config, hub, &located))
    }
}

/// The configuration with the content of the files that it names, and the precision that was measured for them.
fn identity(config: &UnderstandingConfig, hub: &HubOptions, located: &[Located]) -> String {
    let mut identity = format!("{config:?}");
    for found in located.iter().flat_map(Located::each) {
        identity.push_str(&format!(" {}", found.content));
        if config.precision == Precision::Auto
            && let Some(precision) = agreement::recorded(hub, &found.content)
        {
            identity.push_str(&format!(":{precision}"));
        }
    }
    identity
}

fn rules() -> Result<Rules, ModelError> {
    Rules::new(&RulesConfig::default())
        .map_err(|error: rules::RulesError| wrong("rules", error.to_string()))
}

/// The automata of rules and normaliser are built when they are first needed: not by the first request.
fn warm_up(rules: &Rules) {
    let text = "My card 4111 1111 1111 1111 expires 12/29; write to ana@example.org or +1 202 555 0143, password: 1gn0r3";
    let plain = normalize::normalize(text);
    let hidden = normalize::candidates(&plain.text, &Limits::default());
    std::hint::black_box((rules.find(text), hidden));
}

fn wrong(model: &str, reason: String) -> ModelError {
    ModelError::Load {
        model: model.to_owned(),
        reason,
    }
}

struct Loader<'a> {
    config: &'a UnderstandingConfig,
    hub: &'a HubOptions,
    metrics: &'a EngineMetrics,
    /// What was found already: finding reads and hashes every byte.
    located: Vec<Located>,
    engines: Vec<Started>,
    /// Of all models together: more than there are cores would hinder each other.
    threads: OnceCell<Threads>,
}

/// An engine with the files it came from.
struct Started {
    loaded: LoadedModel,
    engine: Arc<Engine>,
    settings: BTreeMap<String, HeadSettings>,
    /// A bundle answers every question that it has a head for; a checkpoint the one it was read for.
    bundle: bool,
}

impl Loader<'_> {
    /// The place of the model for a question; files that are in use already are not read again.
    fn place(&mut self, question: Question) -> Result<Place, ModelError> {
        let source = self.config.source(question);
        let head = match source {
            Source::Bundle { head: Some(head) } => head.as_str(),
            _ => question.word(),
        };
        let located = self.locate(source)?.of_head(head);
        let same = |started: &Started| started.bundle && started.loaded.content == located.content;
        let index = match self.engines.iter().position(same) {
            Some(index) => index,
            None => {
                let started = self.start(question, source, &located)?;
                self.engines.push(started);
                self.engines.len() - 1
            }
        };
        let started = &mut self.engines[index];
        let number = (started.engine.head(head)).ok_or_else(|| {
            let names: Vec<&str> = started.engine.heads().map(|h| h.name.as_str()).collect();
            let reason = format!("it has no head `{head}`; there are {}", names.join(", "));
            wrong(question.word(), reason)
        })?;
        check_task(question, &started.engine, number)?;
        if !started.loaded.questions.contains(&question.word()) {
            started.loaded.questions.push(question.word());
        }
        Ok(Place {
            engine: Arc::clone(&started.engine),
            head: number,
        })
    }

    fn locate(&mut self, source: &Source) -> Result<Located, ModelError> {
        if let Some(found) = self.located.iter().find(|found| found.source == *source) {
            return Ok(found.clone());
        }
        let found = source::locate(source, self.hub)?;
        self.located.push(found.clone());
        Ok(found)
    }

    fn start(
        &self,
        question: Question,
        source: &Source,
        located: &Located,
    ) -> Result<Started, ModelError> {
        let options = checkpoint::Options {
            task: Some(task(question)),
        };
        let read = checkpoint::read_dir(&located.dir, question.word(), &options)?;
        let (encoder, backend) = self.encoder(question, &read.weights, &located.content)?;
        let tokenizer = tokenizer(question, &read.tokenizer)?;
        let engine = Engine::new(EngineParts {
            model: match source {
                // All heads of it are one model to the metrics, whichever of them was asked for.
                Source::Bundle { .. } => {
                    Source::Bundle { head: None }.with_member(located.member.as_deref())
                }
                _ => question.word().to_owned(),
            },
            encoder,
            tokenizer,
            options: self.options(&read),
            metrics: self.metrics.clone(),
        })?;
        let names = read.weights.heads.iter().map(|head| head.info.name.clone());
        Ok(Started {
            loaded: LoadedModel {
                questions: Vec::new(),
                source: source.clone(),
                member: located.member.clone(),
                revision: located.revision.clone(),
                content: located.content.clone(),
                backend,
            },
            engine: Arc::new(engine),
            settings: names.zip(read.settings).collect(),
            bundle: located.layout == source::Layout::Bundle,
        })
    }

    /// The engine's settings: the configuration's, and where that says nothing of a head, what the model's files say.
    fn options(&self, read: &Checkpoint) -> EngineOptions {
        let mut options = self.config.engine.clone().adopt(read);
        let guard = Question::Jailbreak.word();
        let heads = read.weights.heads.iter().map(|head| &head.info);
        if let Some(info) = heads.into_iter().find(|info| info.name == guard)
            && !self.config.engine.heads.contains_key(guard)
            && let Some(head) = options.heads.get_mut(guard)
        {
            head.combine = Combine::Max(self.attack_labels(&info.labels));
        }
        options
    }

    fn attack_labels(&self, labels: &[String]) -> Vec<String> {
        if !self.config.attack_labels.is_empty() {
            return self.config.attack_labels.clone();
        }
        engine::attacks(labels)
    }

    /// The labels that mean an attack, and the threshold that the model's files give.
    fn attack(&self, place: Place) -> Result<(Place, Vec<String>, HeadSettings), ModelError> {
        let info = place.engine.heads().nth(place.head);
        let info = info.ok_or_else(|| wrong("jailbreak", "its head is gone".to_owned()))?;
        let labels = self.attack_labels(&info.labels);
        let known = |label: &&String| !info.labels.contains(label);
        if let Some(label) = labels.iter().find(known) {
            let there = info.labels.join(", ");
            let reason = format!("attack_labels: no label `{label}`; there are {there}");
            return Err(wrong("jailbreak", reason));
        }
        if labels.is_empty() || labels.len() == info.labels.len() {
            let there = info.labels.join(", ");
            let reason =
                format!("which of its labels mean an attack? Set attack_labels; there are {there}");
            return Err(wrong("jailbreak", reason));
        }
        let started = self
            .engines
            .iter()
            .find(|s| Arc::ptr_eq(&s.engine, &place.engine));
        let settings = started.and_then(|started| started.settings.get(&info.name));
        let settings = settings.cloned().unwrap_or_default();
        Ok((place, labels, settings))
    }

    /// The best backend for a model: our kernels on the CPU where they can run it, candle otherwise.
    fn encoder(
        &self,
        question: Question,
        weights: &EncoderWeights,
        content: &str,
    ) -> Result<(Arc<dyn Encoder>, String), ModelError> {
        let gpu = match self.config.device {
            Device::Cuda => true,
            Device::Cpu => false,
            // Integers are asked for, and only the CPU has them.
            Device::Auto => cfg!(feature = "cuda") && !self.config.precision.is_integer(),
        };
        if gpu {
            let precision = match self.config.precision {
                Precision::F32 => candle::Precision::F32,
                Precision::Auto | Precision::Bf16 => candle::Precision::Bf16,
                Precision::Int8 | Precision::W8a8 => {
                    let reason = "precision: int8 and w8a8 run on the CPU only; take bf16 or f32";
                    return Err(wrong(question.word(), reason.to_owned()));
                }
            };
            match run_on_candle(weights, CandlePlace::Cuda(0), precision) {
                Ok(found) => return Ok(found),
                Err(error) if self.config.device == Device::Cuda => return Err(error),
                Err(error) => tracing::warn!(%error, "no GPU: the models run on the CPU"),
            }
        }
        if matches!(weights.positions, Positions::Disentangled(_)) {
            return run_on_candle(weights, CandlePlace::Cpu, candle::Precision::F32);
        }
        let precision = match self.config.precision {
            Precision::Auto => self.precision(question, weights, content),
            Precision::F32 => native::Precision::F32,
            Precision::Bf16 => native::Precision::Bf16,
            Precision::Int8 => native::Precision::Int8,
            Precision::W8a8 => native::Precision::W8a8,
        };
        let encoder = NativeEncoder::new(weights, precision, self.threads()?)?;
        let backend = format!("native {precision} {}", encoder.kernels());
        Ok((Arc::new(encoder), backend))
    }

    fn threads(&self) -> Result<Threads, ModelError> {
        if let Some(threads) = self.threads.get() {
            return Ok(threads.clone());
        }
        let cores = &self.config.engine.threads.cores;
        let threads = Threads::on_cores(compute_threads(self.config), cores)?;
        Ok(self.threads.get_or_init(|| threads).clone())
    }

    /// The fewest bits that are known to give the labels of 32.
    fn precision(
        &self,
        question: Question,
        weights: &EncoderWeights,
        content: &str,
    ) -> native::Precision {
        if let Some(precision) = agreement::recorded(self.hub, content) {
            return precision;
        }
        // Who stored them so has tested them so, with activations of more bits than some processors' instructions take.
        if is_int8(weights) && native::has_fine_activations() {
            return native::Precision::Int8;
        }
        tracing::info!(
            model = question.word(),
            "runs in 32 bits: nobody has measured whether fewer give the same labels; `commutator models measure` does"
        );
        native::Precision::F32
    }
}

fn run_on_candle(
    weights: &EncoderWeights,
    place: CandlePlace,
    precision: candle::Precision,
) -> Result<(Arc<dyn Encoder>, String), ModelError> {
    let options = candle::Options {
        place,
        precision,
        ..candle::Options::default()
    };
    let encoder = CandleEncoder::new(weights, options)?;
    let backend = format!("candle {place:?} {precision:?}").to_lowercase();
    Ok((Arc::new(encoder), backend))
}

/// All cores but one, which the proxy needs, unless the configuration says otherwise.
fn compute_threads(config: &UnderstandingConfig) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    config.compute_threads.unwrap_or(cores - 1).max(1)
}

/// Are the weights stored in 8 bits?
fn is_int8(weights: &EncoderWeights) -> bool {
    let mut layers = weights.segments.iter().flat_map(|segment| &segment.layers);
    layers.any(|layer| matches!(layer.qkv.weight.values, Values::Int8 { .. }))
}

fn tokenizer(question: Question, path: &Path) -> Result<Tokenizer, ModelError> {
    Tokenizer::from_file(path).map_err(|error| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        wrong(question.word(), format!("{file}: {error}"))
    })
}

fn task(question: Question) -> Task {
    match question {
        Question::Domain | Question::Jailbreak => Task::Sequence,
        Question::Pii => Task::Token,
        Question::Embedding => Task::Embedding,
    }
}

fn check_task(question: Question, engine: &Engine, head: usize) -> Result<(), ModelError> {
    let (wanted, info) = (task(question), engine.heads().nth(head));
    match info {
        Some(info) if info.task == wanted => Ok(()),
        Some(info) => Err(wrong(
            question.word(),
            format!(
                "its head `{}` is for {:?}, not {wanted:?}",
                info.name, info.task
            ),
        )),
        None => Err(wrong(question.word(), "its head is gone".to_owned())),
    }
}
