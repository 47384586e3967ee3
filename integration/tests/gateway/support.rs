//! A gateway with its frontends.

use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use commutator_integration::wait::eventually;
use commutator_simulator::{RequestRecord, Simulator, SimulatorConfig};

/// A decision that answers by itself, for texts with the word "forbidden".
pub(crate) const REFUSING: &str = r#"
signals:
  keywords: [{name: forbidden, any: [forbidden]}]
decisions:
  - name: refuse
    applies_to: all
    when: {keyword: forbidden}
    plugins:
      - fixed_answer: {text: "I cannot help with that.", finish_reason: content_filter}
"#;

/// A gateway in front of simulators `frontend-0`, `frontend-1`, ...
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) frontends: Vec<Simulator>,
}

pub(crate) async fn simulators(count: usize) -> Vec<Simulator> {
    let mut frontends = Vec::new();
    for index in 0..count {
        let config = SimulatorConfig {
            name: format!("frontend-{index}"),
            models: TestPolicy::MODELS.map(str::to_owned).to_vec(),
            nodelay: true,
            request_faults: true,
            ..SimulatorConfig::default()
        };
        frontends.push(Simulator::start(config).await.unwrap());
    }
    frontends
}

/// The policy over these frontends.
pub(crate) fn policy(frontends: &[Simulator]) -> TestPolicy {
    let addresses: Vec<_> = frontends.iter().map(Simulator::addr).collect();
    TestPolicy::new(&addresses)
}

impl Stage {
    /// One frontend, nothing special.
    pub(crate) async fn plain() -> Self {
        Self::with(1, |policy| policy, GatewayOptions::default()).await
    }

    /// One frontend and this cluster setting.
    pub(crate) async fn cluster(count: usize, yaml: &str) -> Self {
        Self::with(
            count,
            |policy| policy.cluster(yaml),
            GatewayOptions::default(),
        )
        .await
    }

    /// One frontend and these top-level settings of the policy.
    pub(crate) async fn top(yaml: &str) -> Self {
        Self::with(1, |policy| policy.top(yaml), GatewayOptions::default()).await
    }

    /// One frontend and these settings of `gateway.yaml`.
    pub(crate) async fn bootstrap(yaml: &str) -> Self {
        let options = GatewayOptions {
            bootstrap: yaml.to_owned(),
            ..GatewayOptions::default()
        };
        Self::with(1, |policy| policy, options).await
    }

    pub(crate) async fn with(
        count: usize,
        change: impl FnOnce(TestPolicy) -> TestPolicy,
        options: GatewayOptions,
    ) -> Self {
        let frontends = simulators(count).await;
        let policy = change(policy(&frontends));
        let options = GatewayOptions {
            wait: Wait::Frontends(count),
            ..options
        };
        let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
        Self { gateway, frontends }
    }

    pub(crate) fn frontend(&self) -> &Simulator {
        &self.frontends[0]
    }

    /// The only request that is recorded.
    #[track_caller]
    pub(crate) fn only(&self) -> RequestRecord {
        let mut all: Vec<_> = self
            .frontends
            .iter()
            .flat_map(Simulator::requests)
            .collect();
        assert_eq!(all.len(), 1, "requests that reached the frontends");
        all.remove(0)
    }

    /// How many requests have reached the frontends.
    pub(crate) fn arrived(&self) -> u64 {
        self.frontends.iter().map(Simulator::total).sum()
    }

    /// Waits until that many requests have reached the frontends.
    pub(crate) async fn arrive(&self, count: u64) {
        eventually("requests arrive", || self.arrived() >= count).await;
    }
}
