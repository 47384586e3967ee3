//! One revision of everything that a reload can change, and the store that swaps it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use commutator_models::ModelError;
use commutator_models::engine::EngineMetrics;
use commutator_models::source::{HubOptions, Source};
use commutator_models::understand::Understanding;
use commutator_plugins::model::ModelConfig;
use commutator_plugins::policy::{Environment, Policy};
use commutator_plugins::problem::Problems;
use commutator_plugins::registry::BuildContext;
use parking_lot::Mutex;
use serde::Serialize;

use crate::cluster::{Cluster, ClusterError, ClusterObserver, Clusters};
use crate::config::{self, ConfigErrors};
use crate::policy_file::PolicyFile;

/// How long a new snapshot waits for its clusters' first probes.
const SETTLE: Duration = Duration::from_secs(3);

/// Policy and clusters of one revision. A request keeps the snapshot it began with.
pub(crate) struct Snapshot {
    /// Counts up with every successful load of this process, from 1.
    pub revision: u64,
    /// First 16 hexadecimal digits of the file's XXH3 hash: equal files have equal hashes on every host.
    pub hash: String,
    /// When it became active.
    pub loaded_at: SystemTime,
    /// The file as it was read, for `/policy`; secrets print as `***`.
    pub file: PolicyFile,
    /// Signals, decisions and plugins, compiled.
    pub policy: Policy,
    /// The sets of frontends.
    pub clusters: Clusters,
    /// The models that read requests; `None` where the policy asks none.
    pub understanding: Option<Arc<Understanding>>,
    /// Files whose change calls for a reload: the policy and what it refers to.
    pub files: Vec<PathBuf>,
    /// Warnings of the last check, rendered.
    pub warnings: Vec<String>,
}

/// What the policy asks of the gateway while it decides: the truth of this moment.
impl Environment for Snapshot {
    fn ready(&self, model: &ModelConfig) -> bool {
        self.cluster(&model.cluster)
            .is_some_and(|cluster| cluster.offers(model.upstream_name()).ready > 0)
    }

    fn random(&self) -> f64 {
        fastrand::f64()
    }
}

impl Snapshot {
    /// The cluster that serves a model of this policy.
    #[must_use]
    pub(crate) fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// Waits until it is known of every cluster whether it is ready, for [`SETTLE`] at most.
    pub(crate) async fn settled(&self) {
        let all = async {
            for cluster in self.clusters.iter() {
                cluster.settled().await;
            }
        };
        if tokio::time::timeout(SETTLE, all).await.is_err() {
            tracing::warn!("the readiness of some frontends is not known yet");
        }
    }
}

/// The hash of a policy file's text, which a byte order mark is no part of.
pub(crate) fn hash_of(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

/// A policy file that parsed, checked and compiled.
#[derive(Debug)]
pub(crate) struct Checked {
    file: PolicyFile,
    policy: Policy,
    hash: String,
    files: Vec<PathBuf>,
    warnings: Vec<String>,
}

impl Checked {
    /// Parses, checks and compiles the file at `path` without starting anything: `commutator check`, and the first
    /// half of every load.
    ///
    /// # Errors
    /// Every mistake in the file at once, with its place.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let mut compiled = None;
        let loaded = config::load(path, &config::process_env, &mut |file: &PolicyFile| {
            let (policy, problems) = compile(file);
            compiled = policy;
            problems
        })?;
        // Without mistakes there is a policy; its absence would be one of ours.
        let policy = compiled.ok_or_else(|| loaded.source.unexplained())?;
        Ok(Self {
            hash: hash_of(loaded.source.text()),
            file: loaded.value,
            policy,
            files: loaded.files,
            warnings: match loaded.warnings.is_empty() {
                true => Vec::new(),
                false => vec![loaded.warnings.to_string()],
            },
        })
    }

    /// The warnings, rendered.
    #[must_use]
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The compiled policy, for `explain` without a running gateway.
    #[must_use]
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Does the policy ask models?
    #[must_use]
    pub(crate) fn needs_models(&self) -> bool {
        self.policy.needs_models()
    }

    /// Are the models there that the policy asks? Reads and hashes their files, and loads nothing.
    ///
    /// # Errors
    /// What is missing or broken.
    pub(crate) fn find_models(&self, hub: &HubOptions) -> Result<String, ModelError> {
        Understanding::identify(&self.file.understanding, hub)
    }

    /// Gives the policy the models that it asks: those that are in use, if nothing about them has changed.
    ///
    /// # Errors
    /// What is missing or broken, or why the policy cannot be used with these models.
    pub(crate) async fn attach(
        &mut self,
        models: &Models,
        old: Option<&Arc<Understanding>>,
    ) -> Result<Option<Arc<Understanding>>, LoadError> {
        if !self.policy.needs_models() {
            return Ok(None);
        }
        let config = &self.file.understanding;
        let same = match old {
            Some(old) if Understanding::identify(config, &models.hub)? == old.identity() => {
                Some(old)
            }
            _ => None,
        };
        let understanding = match same {
            Some(old) => Arc::clone(old),
            None => Arc::new(Understanding::load(config, &models.hub, &models.metrics)?),
        };
        let shared = Arc::new(Arc::clone(&understanding));
        self.policy.attach(shared).await.map_err(LoadError::Unfit)?;
        Ok(Some(understanding))
    }

    /// How many clusters, models and decisions there are.
    #[must_use]
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (
            self.file.clusters.len(),
            self.file.models.len(),
            self.file.decisions.len(),
        )
    }
}

/// Checks the meaning of a policy file and compiles it; there is a policy where no problem is an error.
fn compile(file: &PolicyFile) -> (Option<Policy>, Problems) {
    let mut problems = file.problems();
    for (index, cluster) in file.clusters.iter().enumerate() {
        problems.extend_under(&format!("clusters[{index}]"), cluster.check());
    }
    let names: Vec<&str> = file.clusters.iter().map(|c| c.name.as_str()).collect();
    let routing = file.routing();
    let families = routing.families();
    let context = BuildContext {
        families: &families,
        models: &routing.models,
        foreign_pii: !matches!(file.understanding.pii, Source::Bundle { .. }),
    };
    let policy = match Policy::compile(&routing, &names, &context) {
        Ok(policy) => {
            problems.extend(policy.warnings().clone());
            Some(policy)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    (policy, problems)
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file has mistakes.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// Something that it refers to cannot be used.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// A model cannot be loaded.
    #[error("understanding: {0}")]
    Model(#[from] ModelError),
    /// The policy and the models do not go together.
    #[error("{}", .0.join("\n"))]
    Unfit(Vec<String>),
}

/// Where models come from, and who counts what they do.
#[derive(Clone)]
pub(crate) struct Models {
    /// The hub cache and the bundle.
    pub hub: HubOptions,
    /// Shared by all models that are ever loaded.
    pub metrics: EngineMetrics,
}

/// How the last reload went, for `/policy` and `/status`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReloadReport {
    /// Seconds since the epoch.
    pub at: u64,
    /// What asked for it: `start`, `sighup`, `file`, `admin`.
    pub trigger: &'static str,
    /// Did it become active?
    pub ok: bool,
    /// The active revision afterwards.
    pub revision: u64,
    /// The mistakes, as `commutator check` prints them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The mistakes, one by one with line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<serde_json::Value>,
}

/// The active snapshot and the way to a new one.
pub(crate) struct Store {
    path: PathBuf,
    runtime: tokio::runtime::Handle,
    observer: Arc<dyn ClusterObserver>,
    models: Models,
    current: ArcSwap<Snapshot>,
    report: ArcSwapOption<ReloadReport>,
    /// One reload at a time: two would race for the next revision.
    reloading: Mutex<()>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Store({} r{})",
            self.path.display(),
            self.current().revision
        )
    }
}

fn epoch_seconds() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

impl Store {
    /// Loads the policy for the first time.
    ///
    /// # Errors
    /// Every mistake in the file at once.
    pub(crate) fn open(
        path: PathBuf,
        runtime: tokio::runtime::Handle,
        observer: Arc<dyn ClusterObserver>,
        models: Models,
    ) -> Result<Arc<Self>, LoadError> {
        let mut checked = Checked::read(&path)?;
        let understanding = runtime.block_on(checked.attach(&models, None))?;
        let first = build(checked, understanding, 1, None, &runtime, &observer)?;
        for warning in &first.warnings {
            tracing::warn!(target: "commutator::policy", "{warning}");
        }
        let report = ReloadReport {
            at: epoch_seconds(),
            trigger: "start",
            ok: true,
            revision: 1,
            error: None,
            errors: None,
        };
        Ok(Arc::new(Self {
            path,
            runtime,
            observer,
            models,
            current: ArcSwap::from_pointee(first),
            report: ArcSwapOption::from_pointee(report),
            reloading: Mutex::new(()),
        }))
    }

    /// The active snapshot.
    #[must_use]
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// How the last load went.
    #[must_use]
    pub(crate) fn report(&self) -> Option<Arc<ReloadReport>> {
        self.report.load_full()
    }

    /// The policy file.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file again and swaps it in whole, or changes nothing and says why. Blocks: call it off the proxy's
    /// threads.
    pub(crate) fn reload(&self, trigger: &'static str) -> Arc<ReloadReport> {
        let _one = self.reloading.lock();
        let old = self.current();
        let report = match self.load(&old) {
            Ok(new) => {
                for warning in &new.warnings {
                    tracing::warn!(target: "commutator::policy", "{warning}");
                }
                tracing::info!(target: "commutator::policy", trigger, revision = new.revision, hash = %new.hash,
                    "policy active");
                let new = Arc::new(new);
                self.current.store(Arc::clone(&new));
                new.clusters.supersede(&old.clusters);
                ReloadReport {
                    at: epoch_seconds(),
                    trigger,
                    ok: true,
                    revision: new.revision,
                    error: None,
                    errors: None,
                }
            }
            Err(error) => {
                tracing::error!(target: "commutator::policy", trigger, revision = old.revision,
                    "policy unchanged, the new one cannot be used:\n{error}");
                ReloadReport {
                    at: epoch_seconds(),
                    trigger,
                    ok: false,
                    revision: old.revision,
                    error: Some(error.to_string()),
                    errors: match &error {
                        LoadError::Config(errors) => serde_json::to_value(errors).ok(),
                        LoadError::Cluster(_) | LoadError::Model(_) | LoadError::Unfit(_) => None,
                    },
                }
            }
        };
        let report = Arc::new(report);
        self.report.store(Some(Arc::clone(&report)));
        report
    }
}

impl Store {
    fn load(&self, old: &Snapshot) -> Result<Snapshot, LoadError> {
        let mut checked = Checked::read(&self.path)?;
        let attached = checked.attach(&self.models, old.understanding.as_ref());
        let understanding = self.runtime.block_on(attached)?;
        let revision = old.revision + 1;
        let new = build(
            checked,
            understanding,
            revision,
            Some(&old.clusters),
            &self.runtime,
            &self.observer,
        )?;
        // The old policy serves meanwhile. A cluster that this reload starts has not asked its frontends for their
        // models yet: requests would be told that there is none.
        self.runtime.block_on(new.settled());
        Ok(new)
    }
}

fn build(
    checked: Checked,
    understanding: Option<Arc<Understanding>>,
    revision: u64,
    old: Option<&Clusters>,
    runtime: &tokio::runtime::Handle,
    observer: &Arc<dyn ClusterObserver>,
) -> Result<Snapshot, ClusterError> {
    let mut configs = Vec::with_capacity(checked.file.clusters.len());
    for cluster in &checked.file.clusters {
        let models: Vec<String> = checked
            .file
            .models
            .iter()
            .filter(|model| model.cluster == cluster.name)
            .map(|model| model.upstream_name().to_owned())
            .collect();
        configs.push((cluster.clone(), models));
    }
    let clusters = Clusters::reconcile(old, configs, runtime, observer)?;
    Ok(Snapshot {
        revision,
        hash: checked.hash,
        loaded_at: SystemTime::now(),
        file: checked.file,
        policy: checked.policy,
        clusters,
        understanding,
        files: checked.files,
        warnings: checked.warnings,
    })
}

#[cfg(test)]
mod tests;
