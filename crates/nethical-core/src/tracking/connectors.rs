//! What delivers the updates of a platform: one connector, or one and another for artifacts.

use std::time::{Duration, Instant};

use crate::delivery::Connector;

/// What the name of the connector that delivers a platform's artifacts ends with: `mlflow.artifacts`.
pub const ARTIFACTS: &str = ".artifacts";

/// What delivers the updates of a platform.
#[derive(Debug)]
pub struct Connectors {
    /// All of them, or all but artifacts.
    pub updates: Connector,
    /// Artifacts, where they do not go with everything else.
    pub artifacts: Option<Connector>,
}

impl From<Connector> for Connectors {
    fn from(updates: Connector) -> Self {
        Self { updates, artifacts: None }
    }
}

impl Connectors {
    /// Each of them, that of the updates first.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Connector> {
        std::iter::once(&self.updates).chain(&self.artifacts)
    }

    /// Deliver what waits in all of them. `true` if everything came to its end within `patience`.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.all().for_each(Connector::request_flush);
        self.all().filter(|connector| !connector.flush(left(deadline))).count() == 0
    }

    /// The same, and let go of all of them.
    pub(super) fn close(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.all().for_each(Connector::request_close);
        self.all().filter(|connector| !connector.close(left(deadline))).count() == 0
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
