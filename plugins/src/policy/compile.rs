//! From a configuration to a policy, with every mistake at once.

use crate::problem::Problems;
use crate::registry::BuildContext;

use super::{Policy, RoutingConfig};

impl Policy {
    /// Checks `config` and builds the policy. `clusters` are the names of the clusters that there are.
    ///
    /// # Errors
    /// Every mistake, each with its path in the configuration, warnings among them.
    pub fn compile(
        config: &RoutingConfig,
        clusters: &[&str],
        context: &BuildContext<'_>,
    ) -> Result<Self, Problems> {
        let _ = (config, clusters, context);
        Err(Problems::new())
    }
}
