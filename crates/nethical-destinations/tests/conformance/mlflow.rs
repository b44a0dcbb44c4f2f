//! A real MLflow server, behind a proxy that can be taken down.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::event::{Event, EventId, Pairs, RunChange, RunUpdate, Timestamp};
use nethical_destinations::Validated;
use nethical_destinations::mlflow::MlflowConfig;
use serde_json::{Value, json};
use testkit::mlflow::Mlflow;
use testkit::proxy::Proxy;

use crate::{Behind, Peer};

/// Each event is a point of the metric `n`, or for a text that is no number, a tag. The server keeps no ids of ours, so
/// it is known by its number which event arrived.
pub(crate) struct Runs {
    server: Mlflow,
    proxy: Proxy,
    run: String,
    ids: RefCell<Vec<EventId>>,
}

impl Runs {
    pub(crate) fn new() -> Self {
        let server = Mlflow::shared();
        let body = json!({ "experiment_id": "0", "start_time": 1 });
        let run =
            server.ask("runs/create", Some(&body)).1["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        Self { proxy: Proxy::to(server.address()), server, run, ids: RefCell::default() }
    }

    fn number(text: &Value) -> usize {
        let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
        text.trim_start_matches("text").parse().unwrap()
    }
}

impl Peer for Runs {
    fn event(&self, text: &str) -> Event {
        let mut ids = self.ids.borrow_mut();
        let number = ids.len();
        let event = if text.parse::<u32>().is_ok() {
            RunUpdate::metrics_event(&self.run, Timestamp::now(), &[("n", 1.0)], Some(number as i64))
        } else {
            let tag = (format!("text{number}"), text.to_owned());
            RunUpdate::now(&*self.run, RunChange::Tags(Pairs(vec![tag]))).to_event().unwrap()
        };
        ids.push(event.id());
        event
    }

    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(MlflowConfig::new(self.proxy.url()))
    }

    fn behind(&self) -> Option<&dyn Behind> {
        Some(self)
    }

    /// The order within a run is that of its steps, so what has arrived is shown in it.
    fn received(&self) -> Vec<String> {
        let points = self.server.history(&self.run, "n");
        let mut numbers: Vec<_> =
            points.iter().map(|point| point.get("step").map_or(0, Self::number)).collect();
        let (_, read) = self.server.ask(&format!("runs/get?run_id={}", self.run), None);
        let tags = read["run"]["data"]["tags"].as_array().into_iter().flatten().map(|tag| &tag["key"]);
        numbers.extend(tags.filter(|key| key.as_str().unwrap().starts_with("text")).map(Self::number));
        numbers.sort_unstable();
        let ids = self.ids.borrow();
        numbers.into_iter().map(|number| ids[number].to_string()).collect()
    }

    fn take_down(&self) -> bool {
        self.proxy.take_down();
        true
    }

    fn bring_up(&self) {
        self.proxy.bring_up();
    }
}

impl Behind for Runs {
    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn through(&self, origin: &str, seconds: f64) -> Arc<dyn Validated> {
        let mut config = MlflowConfig::new(origin);
        config.request_timeout = Some(Duration::from_secs_f64(seconds));
        Arc::new(config)
    }
}
