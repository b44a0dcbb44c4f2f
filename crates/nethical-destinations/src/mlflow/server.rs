//! A tracking server, as one process sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nethical_core::delivery::{Error, runtime};
use nethical_core::event::RunStart;
use nethical_core::tracking::{LOCAL_PREFIX, RunStatus};
use serde_json::{Value, json};

use super::address::Address;
use super::auth::Auth;
use super::ids::{Ids, Note};
use super::{MlflowConfig, artifacts, errors, wire};
use crate::support::awaited::Awaited;
use crate::support::aws::Environment;
use crate::support::http::{Client, Deadlines, Request, Response, TlsSwitches};

const API: &str = "/api/2.0/mlflow/";

/// Bytes of an answer that are read: a run with all its parameters and tags.
const MAX_ANSWER: usize = 16 << 20;

/// Pages of 1,000 experiments that are read: a server that always has one more is no MLflow.
const MOST_PAGES: usize = 1_000;

/// How long a run is waited for that another process is to create, once the server says that it is not there.
const PATIENCE: Duration = Duration::from_secs(600);

/// A run on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: String,
    /// Where its artifacts go, if that was said.
    pub(super) artifact_uri: Option<String>,
}

/// A tracking server, and what this process knows of it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) http: Client,
    pub(super) auth: Auth,
    pub(super) config: MlflowConfig,
    ids: Option<Ids>,
    experiments: Mutex<HashMap<String, String>>,
    /// Runs by the ids that the program has.
    runs: Mutex<HashMap<String, Known>>,
    /// Runs that are being created, or were not found, since when.
    creating: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    missing: Mutex<HashMap<String, Instant>>,
    /// Runs of this process whose start is still to be delivered.
    pub(super) awaited: Awaited,
    pub(super) progress: artifacts::Progress,
    #[cfg(feature = "cloud-artifacts")]
    pub(super) stores: artifacts::Stores,
    offers_parts: tokio::sync::OnceCell<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Get ready for it; nothing is asked yet.
    pub(super) fn open(config: &MlflowConfig) -> Result<Self, Error> {
        let environment = Environment::default();
        let address = config
            .address(&environment)
            .map_err(|wrong| Error::config("mlflow.option", wrong.message).with_hint(wrong.hint))?;
        let path =
            |option: &Option<_>, name| option.clone().or_else(|| environment.var(name).map(Into::into));
        let yes = |value: String| ["true", "1"].contains(&value.to_lowercase().as_str());
        let switches = TlsSwitches {
            ca_file: path(&config.ca_file, "MLFLOW_TRACKING_SERVER_CERT_PATH"),
            client_cert: path(&config.client_cert, "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            insecure: config
                .insecure_tls
                .unwrap_or_else(|| environment.var("MLFLOW_TRACKING_INSECURE_TLS").is_some_and(yes)),
        };
        let http = Client::with_tls(Deadlines::default().within(config.request_timeout), &switches)?
            .reading(MAX_ANSWER);
        let auth = Auth::find(config, &address, &environment, &http);
        let home = config.home.clone().flatten();
        Ok(Self {
            ids: home.map(|home| Ids::at(&home)),
            address,
            auth,
            http,
            config: config.clone(),
            experiments: Mutex::default(),
            runs: Mutex::default(),
            creating: Mutex::default(),
            missing: Mutex::default(),
            awaited: Awaited::default(),
            progress: artifacts::Progress::default(),
            #[cfg(feature = "cloud-artifacts")]
            stores: artifacts::Stores::default(),
            offers_parts: tokio::sync::OnceCell::new(),
        })
    }

    /// Ask the tracking API. Returns the JSON of its success.
    pub(super) async fn call(
        &self,
        method: &'static str,
        call: &str,
        body: Option<Bytes>,
    ) -> Result<Value, Error> {
        self.ask(method, &format!("{API}{call}"), call, body).await
    }

    /// Ask for a path of the server.
    pub(super) async fn ask(
        &self,
        method: &'static str,
        path: &str,
        call: &str,
        body: Option<Bytes>,
    ) -> Result<Value, Error> {
        let call = call.split('?').next().unwrap_or(call);
        let server = self.address.shown();
        let mut headers = Vec::new();
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let mut request =
            Request { method, url: self.address.url(path), headers, body: body.unwrap_or_default() };
        self.auth.apply(&mut request).await?;
        let sent = self.http.send(request).await;
        let response = sent.map_err(|failure| errors::unanswered(&failure, server))?;
        if !response.is_success() {
            return Err(errors::sort(&response, call, server));
        }
        let answer = serde_json::from_slice::<Value>(&response.body).ok().filter(Value::is_object);
        answer.ok_or_else(|| errors::not_mlflow(call, server, &response.body))
    }

    pub(super) async fn post(&self, call: &str, body: Value) -> Result<Value, Error> {
        self.call("POST", call, Some(body.to_string().into())).await
    }

    /// The id of an experiment, which is created if it is missing.
    async fn experiment(&self, name: &str) -> Result<String, Error> {
        if let Some(id) = lock(&self.experiments).get(name) {
            return Ok(id.clone());
        }
        let id = match self.find_experiment(name).await? {
            Some(id) => id,
            None => self.create_experiment(name).await?,
        };
        lock(&self.experiments).insert(name.to_owned(), id.clone());
        Ok(id)
    }

    async fn create_experiment(&self, name: &str) -> Result<String, Error> {
        match self.post("experiments/create", json!({ "name": name })).await {
            Ok(answer) => {
                text(&answer, "/experiment_id").ok_or_else(|| self.nonsense("experiments/create", &answer))
            }
            // Somebody else was quicker.
            Err(error) if error.code() == "mlflow.already_exists" => {
                self.find_experiment(name).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn find_experiment(&self, name: &str) -> Result<Option<String>, Error> {
        let call = format!("experiments/get-by-name?experiment_name={}", wire::percent(name));
        let answer = match self.call("GET", &call, None).await {
            Err(error) if error.code() == "mlflow.not_found" => return Ok(None),
            answer => answer?,
        };
        if text(&answer, "/experiment/lifecycle_stage").as_deref() == Some("deleted") {
            let text = format!("the experiment `{name}` at {} is deleted", self.address.shown());
            let hint = "restore it (`mlflow experiments restore`), or use another name";
            return Err(Error::refused("mlflow.experiment_deleted", text).with_hint(hint));
        }
        let id = text(&answer, "/experiment/experiment_id");
        id.map(Some).ok_or_else(|| self.nonsense("experiments/get-by-name", &answer))
    }

    /// Create a run, once. `may_be_there`: it may have been tried before.
    pub(super) async fn create_run(
        &self,
        key: &str,
        start: &RunStart,
        time: i64,
        may_be_there: bool,
    ) -> Result<Known, Error> {
        let turn = Arc::clone(lock(&self.creating).entry(key.to_owned()).or_default());
        let _turn = turn.lock().await;
        if let Some(known) = self.remembered(key) {
            return Ok(known);
        }
        let known = self.try_create(key, start, time, may_be_there).await?;
        self.remember(key, &start.experiment, &known);
        lock(&self.creating).remove(key);
        Ok(known)
    }

    async fn try_create(
        &self,
        key: &str,
        start: &RunStart,
        time: i64,
        may_be_there: bool,
    ) -> Result<Known, Error> {
        let experiment = self.experiment(&start.experiment).await?;
        if may_be_there && let Some(known) = self.search(key, std::slice::from_ref(&experiment)).await? {
            return Ok(known);
        }
        let mut start = start.clone();
        for (_, value) in start.tags.0.iter_mut().filter(|(name, _)| name == wire::PARENT) {
            if let Some(id) = self.parent(value).await? {
                *value = id;
            }
        }
        let created = self.post("runs/create", wire::create_run(&experiment, key, &start, time)).await;
        if created.as_ref().is_err_and(|error| !error.is_endpoint_fault()) {
            // It may have been deleted since it was asked for.
            lock(&self.experiments).remove(&start.experiment);
        }
        let answer = created?;
        known(&answer, "/run").ok_or_else(|| self.nonsense("runs/create", &answer))
    }

    async fn search(&self, key: &str, experiments: &[String]) -> Result<Option<Known>, Error> {
        let answer = self.post("runs/search", wire::search_run(experiments, key)).await?;
        Ok(known(&answer, "/runs/0"))
    }

    /// The run that is meant by an id that the program has.
    pub(super) async fn resolve(&self, run: &str) -> Result<Known, Error> {
        if let Some(known) = self.remembered(run) {
            return Ok(known);
        }
        if !run.starts_with(LOCAL_PREFIX) {
            return Ok(Known { id: run.to_owned(), artifact_uri: None });
        }
        let turn = lock(&self.creating).get(run).map(Arc::clone);
        if let Some(turn) = turn {
            // It is being created just now.
            let _turn = turn.lock().await;
        }
        if let Some(known) = self.remembered(run) {
            return Ok(known);
        }
        let note = self.ids.as_ref().and_then(|ids| ids.read(run));
        let experiments = match &note {
            Some(note) => self.find_experiment(&note.experiment).await?.into_iter().collect(),
            None => self.all_experiments().await?,
        };
        for some in experiments.chunks(100) {
            if let Some(known) = self.search(run, some).await? {
                self.remember(run, note.as_ref().map_or("", |note| &note.experiment), &known);
                return Ok(known);
            }
        }
        Err(self.not_there(run, note.is_some()))
    }

    /// The id on the server of a run that a tag names as a parent by an id of ours. A parent of which nothing is known
    /// keeps nobody from its run.
    pub(super) async fn parent(&self, run: &str) -> Result<Option<String>, Error> {
        if !run.starts_with(LOCAL_PREFIX) {
            return Ok(None);
        }
        match Box::pin(self.resolve(run)).await {
            Ok(known) => Ok(Some(known.id)),
            Err(error) if error.is_endpoint_fault() => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn not_there(&self, run: &str, expected: bool) -> Error {
        let text = format!("there is no run `{run}` at {}", self.address.shown());
        let since = *lock(&self.missing).entry(run.to_owned()).or_insert_with(Instant::now);
        if self.awaited.expects(run) || expected && since.elapsed() < PATIENCE {
            return Error::unavailable("mlflow.not_started", text)
                .with_hint("nothing to do: its start is still to be delivered");
        }
        Error::refused("mlflow.unknown_run", text)
            .with_hint("see whether its start is among the dead letters, and replay both")
    }

    async fn all_experiments(&self) -> Result<Vec<String>, Error> {
        let (mut found, mut page, mut last) = (Vec::new(), None, Value::Null);
        for _ in 0..MOST_PAGES {
            let answer =
                self.post("experiments/search", json!({ "max_results": 1_000, "page_token": page })).await?;
            let some = answer.get("experiments").and_then(Value::as_array).into_iter().flatten();
            found.extend(some.filter_map(|one| text(one, "/experiment_id")));
            page = text(&answer, "/next_page_token").filter(|token| !token.is_empty());
            if page.is_none() {
                return Ok(found);
            }
            last = answer;
        }
        Err(self.nonsense("experiments/search", &last))
    }

    /// Where the artifacts of a run go.
    pub(super) async fn artifact_uri(&self, known: &Known) -> Result<String, Error> {
        if let Some(uri) = &known.artifact_uri {
            return Ok(uri.clone());
        }
        let answer = self.call("GET", &format!("runs/get?run_id={}", wire::percent(&known.id)), None).await?;
        let uri =
            text(&answer, "/run/info/artifact_uri").ok_or_else(|| self.nonsense("runs/get", &answer))?;
        let kept = Known { artifact_uri: Some(uri.clone()), ..known.clone() };
        lock(&self.runs).insert(known.id.clone(), kept);
        Ok(uri)
    }

    fn remembered(&self, run: &str) -> Option<Known> {
        if let Some(known) = lock(&self.runs).get(run) {
            return Some(known.clone());
        }
        let note = self.ids.as_ref()?.read(run)?;
        let known = Known { id: note.run_id?, artifact_uri: note.artifact_uri };
        lock(&self.runs).insert(run.to_owned(), known.clone());
        Some(known)
    }

    fn remember(&self, key: &str, experiment: &str, known: &Known) {
        lock(&self.runs).extend([(key.to_owned(), known.clone()), (known.id.clone(), known.clone())]);
        if let Some(ids) = &self.ids {
            let (run_id, artifact_uri) = (Some(known.id.clone()), known.artifact_uri.clone());
            ids.write(key, &Note { experiment: experiment.to_owned(), run_id, artifact_uri });
        }
        self.awaited.came(key);
    }

    /// A run began without the server.
    pub(super) fn expect(&self, key: &str, experiment: &str) {
        // It may be created just now, so the look comes last.
        self.awaited.expect(key);
        if self.remembered(key).is_some() {
            self.awaited.came(key);
        }
        if let Some(ids) = self.ids.as_ref().filter(|ids| ids.read(key).is_none()) {
            ids.write(key, &Note { experiment: experiment.to_owned(), ..Note::default() });
        }
    }

    /// A run will never be created.
    pub(super) fn give_up(&self, key: &str) {
        if let Some(ids) = &self.ids {
            ids.forget(key);
        }
        self.awaited.came(key);
    }

    /// Create a run on the background thread and wait for it; `None` if it takes longer, or the server is not well.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: &str,
        start: &RunStart,
        time: i64,
    ) -> Result<Option<String>, Error> {
        let limit = self.config.start_timeout.get();
        let begun = if limit.is_zero() { None } else { self.ask_for(key, start, time, limit)? };
        if begun.is_none() {
            self.expect(key, &start.experiment);
        }
        Ok(begun.map(|known| known.id))
    }

    fn ask_for(
        self: &Arc<Self>,
        key: &str,
        start: &RunStart,
        time: i64,
        limit: Duration,
    ) -> Result<Option<Known>, Error> {
        let (done, result) = std::sync::mpsc::sync_channel(1);
        let (server, key, start) = (Arc::clone(self), key.to_owned(), start.clone());
        // It goes on after the limit, so that nobody takes the run for one that was never asked for.
        runtime::handle()?.spawn(async move {
            // Nobody may be waiting any more.
            let _ = done.send(server.create_run(&key, &start, time, false).await);
        });
        match result.recv_timeout(limit) {
            Ok(Ok(known)) => Ok(Some(known)),
            Ok(Err(error)) if !error.is_endpoint_fault() => Err(error),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// How a run stands, as far as the server says so within `patience`.
    pub(super) fn status(self: &Arc<Self>, run: &str, patience: Duration) -> Option<RunStatus> {
        let (done, result) = std::sync::mpsc::sync_channel(1);
        let (server, run) = (Arc::clone(self), run.to_owned());
        runtime::handle().ok()?.spawn(async move {
            // Nobody may be waiting any more.
            let _ = done.send(server.ask_for_status(&run).await);
        });
        result.recv_timeout(patience).ok()?.ok()?
    }

    async fn ask_for_status(&self, run: &str) -> Result<Option<RunStatus>, Error> {
        let known = self.resolve(run).await?;
        let answer = self.call("GET", &format!("runs/get?run_id={}", wire::percent(&known.id)), None).await?;
        Ok(text(&answer, "/run/info/status").and_then(|status| status.parse().ok()))
    }

    /// What the server says that it is, if it says so.
    pub(super) async fn version(&self) -> Option<String> {
        let mut request = Request {
            method: "GET",
            url: self.address.url("/version"),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        self.auth.apply(&mut request).await.ok()?;
        let response = self.http.send(request).await.ok().filter(Response::is_success)?;
        let text = String::from_utf8_lossy(&response.body).trim().to_owned();
        let is_version =
            |text: &String| text.len() < 40 && text.starts_with(|char: char| char.is_ascii_digit());
        Some(text).filter(is_version)
    }

    /// Whether large artifacts can go in parts to the store behind the server. Asked once.
    pub(super) async fn offers_parts(&self) -> bool {
        let ask = || async {
            let info = self.ask("GET", "/api/3.0/mlflow/server-info", "server-info", None).await;
            // A server that does not say so is an old one, or does not do it.
            info.ok().and_then(|info| info.get("multipart_uploads_enabled")?.as_bool()).unwrap_or(false)
        };
        *self.offers_parts.get_or_init(ask).await
    }

    fn nonsense(&self, call: &str, answer: &Value) -> Error {
        errors::not_mlflow(call, self.address.shown(), answer.to_string().as_bytes())
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

fn known(answer: &Value, pointer: &str) -> Option<Known> {
    let info = answer.pointer(pointer)?.get("info")?;
    let id = text(info, "/run_id").or_else(|| text(info, "/run_uuid"))?;
    Some(Known { id, artifact_uri: text(info, "/artifact_uri") })
}
