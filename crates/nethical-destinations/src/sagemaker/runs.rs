//! What this process knows of runs, and what it creates for them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nethical_core::delivery::Error;
use nethical_core::event::{EventId, RunStart};
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;

use super::api::Api;
use super::component::Component;
use super::config::SageMakerConfig;
use super::jobs::Job;
use super::metrics::Progress;
use super::uploads::Uploads;
use super::{deliver, errors, names, training, wire};
use crate::support::awaited::Awaited;
use crate::support::aws::Context;

/// A run as this process knows it.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) component: Option<Component>,
    /// The component as the server has it.
    pub(super) sent: Component,
    /// The training job of the run, if it has one.
    pub(super) job: Option<Job>,
}

/// How long a run is waited for whose start another process left.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether a run that is not there may still come, though not from this process.
#[derive(Debug)]
enum Coming {
    /// It was first missed then.
    Missing(Instant),
    /// Its start was refused.
    Never,
}

/// SageMaker, as one set of options sees it.
#[derive(Debug)]
pub(super) struct SageMaker {
    pub(super) config: SageMakerConfig,
    pub(super) api: Api,
    runs: Mutex<HashMap<String, Arc<AsyncMutex<Known>>>>,
    experiments: Mutex<HashSet<String>>,
    /// Runs of this process whose start is still to be delivered.
    pub(super) starts: Awaited,
    coming: Mutex<HashMap<String, Coming>>,
    /// What is done of updates that are not done.
    pub(super) progress: Mutex<HashMap<EventId, Progress>>,
    pub(super) uploads: Mutex<HashMap<EventId, Uploads>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the errors of a call are about.
fn about<'a>(action: &'static str, resource: &'a str) -> Context<'a> {
    Context { action, resource }
}

impl SageMaker {
    pub(super) fn open(config: &SageMakerConfig) -> Result<Self, Error> {
        Ok(Self {
            api: Api::open(config)?,
            config: config.clone(),
            runs: Mutex::default(),
            experiments: Mutex::default(),
            starts: Awaited::default(),
            coming: Mutex::default(),
            progress: Mutex::default(),
            uploads: Mutex::default(),
        })
    }

    /// What is known of a run; whoever changes it holds the lock.
    pub(super) fn known(&self, run: &str) -> Arc<AsyncMutex<Known>> {
        Arc::clone(lock(&self.runs).entry(run.to_owned()).or_default())
    }

    /// The start of a run came to its end.
    pub(super) fn came(&self, run: &str, is_there: bool) {
        if is_there {
            lock(&self.coming).remove(run);
        } else {
            lock(&self.coming).insert(run.to_owned(), Coming::Never);
        }
        self.starts.came(run);
    }

    fn may_come(&self, run: &str) -> bool {
        if self.starts.expects(run) {
            return true;
        }
        let mut coming = lock(&self.coming);
        match coming.entry(run.to_owned()).or_insert_with(|| Coming::Missing(Instant::now())) {
            Coming::Missing(since) => since.elapsed() < PATIENCE,
            Coming::Never => false,
        }
    }

    /// The run has ended: should something else come of it, the server is asked.
    pub(super) fn let_go(&self, run: &str) {
        lock(&self.runs).remove(run);
    }

    /// These updates came to their end.
    pub(super) fn forget(&self, done: impl Iterator<Item = EventId>) {
        let (mut progress, mut uploads) = (lock(&self.progress), lock(&self.uploads));
        if progress.is_empty() && uploads.is_empty() {
            return;
        }
        for id in done {
            progress.remove(&id);
            uploads.remove(&id);
        }
    }

    /// Create what a run needs, each only if it is not there: a start that comes again changes nothing.
    pub(super) async fn create(
        &self,
        run: &str,
        start: &RunStart,
        time: i64,
        known: &mut Known,
    ) -> Result<(), Error> {
        let component = deliver::fresh(start, time);
        self.create_experiment(&start.experiment).await?;
        let resource = format!("trial `{run}`");
        self.create_one(
            &about("sagemaker:CreateTrial", &resource),
            &wire::create_trial(&self.config, run, start),
        )
        .await?;
        let resource = format!("component `{run}`");
        let body = wire::create_component(&self.config, run, start, &component);
        let created = self.create_one(&about("sagemaker:CreateTrialComponent", &resource), &body).await?;
        let body = json!({ "TrialComponentName": run, "TrialName": run });
        self.create_one(&about("sagemaker:AssociateTrialComponent", &resource), &body).await?;
        let arn =
            created.as_ref().and_then(|answer| answer.get("TrialComponentArn")?.as_str()).map(str::to_owned);
        let component = match arn {
            Some(arn) => Component { arn, ..component },
            // It was there: it may have got something since.
            None => Component { experiment: component.experiment, ..self.load(run).await? },
        };
        known.sent = component.clone();
        known.component = Some(component);
        self.start_job(run, start, known).await
    }

    async fn create_experiment(&self, given: &str) -> Result<(), Error> {
        if lock(&self.experiments).contains(given) {
            return Ok(());
        }
        let resource = format!("experiment `{}`", names::experiment(given));
        let body = wire::create_experiment(&self.config, given);
        self.create_one(&about("sagemaker:CreateExperiment", &resource), &body).await?;
        lock(&self.experiments).insert(given.to_owned());
        Ok(())
    }

    /// Create something. `None`: it was there already.
    async fn create_one(&self, context: &Context<'_>, body: &Value) -> Result<Option<Value>, Error> {
        match self.api.ask(context, body).await {
            Ok(answer) => Ok(Some(answer)),
            Err(fault) if errors::is_there(&fault) => Ok(None),
            Err(fault) => Err(errors::sort(fault, context)),
        }
    }

    /// Start the training job of a run, if runs are to have one.
    async fn start_job(&self, run: &str, start: &RunStart, known: &mut Known) -> Result<(), Error> {
        let Some(training) = &self.config.training else { return Ok(()) };
        let resource = format!("training job `{run}`");
        let experiment = names::experiment(&start.experiment);
        let body = training::create(&self.config, training, run, &experiment, wire::called(start));
        let created = self.create_one(&about("sagemaker:CreateTrainingJob", &resource), &body).await;
        if let Err(error) = &created
            && (error.code() == "sagemaker.limit" || !error.is_endpoint_fault())
        {
            self.fail(run, known, error).await?;
            return Err(Error::refused("sagemaker.no_job", error.message())
                .with_hint(error.hint().unwrap_or("see the options of `training`")));
        }
        created?;
        known.job = Some(Job::default());
        Ok(())
    }

    /// A run whose job cannot be has failed.
    async fn fail(&self, run: &str, known: &mut Known, why: &Error) -> Result<(), Error> {
        let Some(mut component) = known.component.clone() else { return Ok(()) };
        component.set_status(nethical_core::tracking::RunStatus::Failed);
        component.message = Some(why.message().to_owned());
        self.update(run, &known.sent, &component).await?;
        known.sent = component.clone();
        known.component = Some(component);
        Ok(())
    }

    /// The component of a run, as the server has it.
    pub(super) async fn load(&self, run: &str) -> Result<Component, Error> {
        let resource = format!("component `{run}`");
        let context = about("sagemaker:DescribeTrialComponent", &resource);
        let answer = self.api.do_it(&context, &json!({ "TrialComponentName": run })).await?;
        let mut component = wire::read_component(&answer);
        if component.arn.is_empty() {
            return Err(errors::not_an_answer(context.action, self.api.control.endpoint().url()));
        }
        component.experiment = self.experiment_of(run).await?;
        Ok(component)
    }

    /// The same, where the start of the run may still be under way.
    pub(super) async fn load_when_there(&self, run: &str) -> Result<Component, Error> {
        match self.load(run).await {
            Err(error) if error.code() == "sagemaker.not_found" && self.may_come(run) => {
                Err(Error::unavailable("sagemaker.not_started", error.message())
                    .with_hint("nothing to do: its start is still to be delivered"))
            }
            loaded => loaded,
        }
    }

    /// The name of the experiment of a run: that of the trial that is called like it.
    async fn experiment_of(&self, run: &str) -> Result<Option<String>, Error> {
        let resource = format!("trial `{run}`");
        let context = about("sagemaker:DescribeTrial", &resource);
        match self.api.ask(&context, &json!({ "TrialName": run })).await {
            Ok(answer) => Ok(answer.get("ExperimentName").and_then(Value::as_str).map(str::to_owned)),
            Err(fault) if errors::is_missing(&fault) => Ok(None),
            Err(fault) => Err(errors::sort(fault, &context)),
        }
    }

    /// Bring the component up to date, if it is not.
    pub(super) async fn update(
        &self,
        run: &str,
        sent: &Component,
        component: &Component,
    ) -> Result<(), Error> {
        let body = wire::update_component(run, component, Some(sent));
        if body == wire::update_component(run, sent, Some(sent)) {
            return Ok(());
        }
        let resource = format!("component `{run}`");
        self.api.do_it(&about("sagemaker:UpdateTrialComponent", &resource), &body).await.map(drop)
    }

    /// Set tags of a component.
    pub(super) async fn add_tags(&self, run: &str, arn: &str, tags: Value) -> Result<(), Error> {
        let resource = format!("component `{run}`");
        let body = json!({ "ResourceArn": arn, "Tags": tags });
        self.api.do_it(&about("sagemaker:AddTags", &resource), &body).await.map(drop)
    }
}
