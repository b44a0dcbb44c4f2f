//! SageMaker with what belongs to it, stricter than most emulators: every limit of the APIs is kept and every violation
//! noted.
//!
//! At one address it knows the operations on experiments, trials, components and training jobs of SageMaker,
//! `BatchPutMetrics` of its metrics service, `PutMetricData` of CloudWatch, objects whole and in parts of S3, and
//! `GetCallerIdentity` of STS. Signatures, digests and checksums are computed from what came.

mod control;
mod jobs;
mod limits;
mod metrics;
mod s3;
mod server;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::State;
pub use self::state::{Component, Datum, Job, Point};
use crate::aws::Access;
pub use crate::cloudwatch::Trouble;
use crate::http::Server;

/// How it treats what comes in. All of it may change while it runs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// The next answers, in order, whatever is asked: what is in here comes before everything else.
    pub next: VecDeque<Trouble>,
    /// Every call fails like this, until it is taken back.
    pub always: Option<Trouble>,
    /// Of a thousand calls, how many are throttled.
    pub throttled_per_mille: u32,
    /// Of a thousand calls, how many are done and not answered.
    pub dropped_per_mille: u32,
    /// Of a thousand points, how many are not taken for a fault of the service.
    pub failed_points_per_mille: u32,
    /// Of a thousand updates of components, how many are in conflict.
    pub conflicts_per_mille: u32,
    /// Metrics with this in their names are invalid.
    pub poison: Option<String>,
    /// Updates of components replace what was there, instead of merging.
    pub replaces: bool,
    /// Who may call, and what. Every signature is computed again from the request as it came.
    pub access: Access,
    /// How often parts of this number are still to fail.
    pub failing_parts: BTreeMap<u64, u32>,
    /// Uploads in parts are forgotten when they are to be completed, so often.
    pub forgotten_uploads: u32,
    /// What jobs say at each look, in order; the last is said from then on. Empty: `InProgress`.
    pub job_statuses: Vec<String>,
    /// No training job can be created: the quota is used up.
    pub no_jobs: bool,
    /// The region of the buckets, if it is another one.
    pub bucket_elsewhere: bool,
}

/// A running receiver on the loopback interface. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct SageMaker {
    server: Arc<Server>,
    state: Arc<Mutex<State>>,
}

impl SageMaker {
    /// Start it on a free port.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start() -> io::Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let server = Arc::new(Server::start(Arc::clone(&state))?);
        Ok(Self { server, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address for `AWS_ENDPOINT_URL` and `endpoint_url`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Treat what comes in differently from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state().behaviour);
    }

    /// The names of the experiments, with their trials.
    pub fn experiments(&self) -> BTreeMap<String, BTreeSet<String>> {
        let state = self.state();
        let trials = |name: &String| {
            let of = state.trials.iter().filter(|(_, trial)| trial.experiment == *name);
            of.map(|(name, _)| name.clone()).collect()
        };
        state.experiments.keys().map(|name| (name.clone(), trials(name))).collect()
    }

    /// A member of an experiment as it was created: `DisplayName`.
    pub fn experiment(&self, name: &str) -> Option<serde_json::Value> {
        self.state().experiments.get(name).cloned()
    }

    /// The components by name.
    pub fn components(&self) -> BTreeMap<String, Component> {
        self.state().components.clone()
    }

    /// The data that CloudWatch got, in the order in which they came.
    pub fn data(&self) -> Vec<Datum> {
        self.state().data.clone()
    }

    /// The training jobs by name.
    pub fn jobs(&self) -> BTreeMap<String, Job> {
        self.state().jobs.clone()
    }

    /// Create a run, as somebody else would: an experiment, a trial and a component that is called like it.
    pub fn create_run(&self, experiment: &str, run: &str) {
        let mut state = self.state();
        state.experiments.entry(experiment.to_owned()).or_default();
        state.trials.insert(run.to_owned(), state::Trial { experiment: experiment.to_owned() });
        state.components.entry(run.to_owned()).or_default().trials.insert(run.to_owned());
    }

    /// Create a bucket.
    pub fn create_bucket(&self, name: &str) {
        self.state().buckets.entry(name.to_owned()).or_default();
    }

    /// An object of a bucket.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.state().buckets.get(bucket)?.get(key).cloned()
    }

    /// The keys of a bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.state().buckets.get(bucket).map(|objects| objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// Uploads in parts that were neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    /// Each request that was outside a limit of an API, in words.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Calls by operation, whatever came of them.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.state().calls.clone()
    }

    /// How many calls were throttled, and how many were done and not answered.
    pub fn troubles(&self) -> (u64, u64) {
        let state = self.state();
        (state.throttled, state.dropped)
    }
}
