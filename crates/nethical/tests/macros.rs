//! What is said with the macros of `tracing` and `log` becomes entries, and nothing of the delivery itself does.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::connect;
use nethical::destinations::http::HttpConfig;
use nethical::destinations::memory::MemoryConfig;
use nethical::event::Message;
use nethical::{LogAggregator, LogBridge, TracingLayer, Webhook};
use serde_json::{Value, json};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

const PATIENCE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings { spool: SpoolSettings::off(), ..Settings::default() }
}

/// An aggregator whose entries the test can read.
fn aggregator() -> (Arc<LogAggregator>, Arc<MemoryConfig>) {
    let config = Arc::new(MemoryConfig::default());
    let logs = LogAggregator::new();
    logs.add(connect(Arc::clone(&config) as _, "memory", settings()).unwrap());
    (Arc::new(logs), config)
}

/// The entries that came, without what differs between runs.
fn entries(logs: &LogAggregator, config: &MemoryConfig) -> Vec<Value> {
    assert!(logs.flush_all(PATIENCE));
    let events = config.memory().events();
    events
        .iter()
        .map(|event| {
            let entry: Value = serde_json::from_slice(event.json()).unwrap();
            json!([entry["level"], entry["source"], entry["message"], entry["metadata"]])
        })
        .collect()
}

/// Cannot be shown.
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

/// Logs while it is shown.
struct Chatty;

impl std::fmt::Display for Chatty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        tracing::info!(target: "t", "inner");
        f.write_str("outer")
    }
}

#[test]
fn values_that_cannot_be_shown_or_log_themselves_harm_nobody() {
    let (logs, config) = aggregator();
    let subscriber = tracing_subscriber::registry().with(TracingLayer::new(Arc::clone(&logs)));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "t", x = %Mute, "m");
        let span = tracing::info_span!("s", x = tracing::field::Empty, y = tracing::field::Empty).entered();
        span.record("x", tracing::field::display(Mute));
        span.record("y", tracing::field::display(Chatty));
        tracing::info!(target: "t", "last");
    });
    let bridge = LogBridge::new(Arc::clone(&logs));
    log::Log::log(
        &bridge,
        &log::Record::builder().target("t").level(log::Level::Info).args(format_args!("a {Mute}")).build(),
    );
    let said = |message: &str, metadata: Value| json!(["INFO", "t", message, metadata]);
    let spans = json!({ "spans": [{ "name": "s", "x": "", "y": "outer" }] });
    let inner = json!({ "spans": [{ "name": "s", "x": "" }] });
    let wanted =
        [said("m", json!({ "x": "" })), said("inner", inner), said("last", spans), said("a ", json!({}))];
    assert_eq!(entries(&logs, &config), wanted);
}

#[test]
fn what_was_said_is_delivered_though_a_layer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let text = format!("[spool]\nenabled = false\n[logging.jsonl]\nfilepath = {:?}\nbatch_age = 60", path);
    let nethical = text.parse::<nethical::Config>().unwrap().open().unwrap();
    let layer = TracingLayer::new(Arc::clone(nethical.logs()));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    tracing::error!("last words");
    drop(nethical);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[derive(Debug)]
struct Failed(std::io::Error);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot save")
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_event_has_its_fields_and_the_spans_around_it() {
    let (logs, memory) = aggregator();
    let subscriber = tracing_subscriber::registry().with(TracingLayer::new(Arc::clone(&logs)));
    tracing::subscriber::with_default(subscriber, || {
        let run = tracing::info_span!("run", model = "bert", loss = tracing::field::Empty).entered();
        run.record("loss", 0.5);
        let _epoch = tracing::debug_span!("epoch", number = 3).entered();
        tracing::warn!(target: "monitor", memory_mb = 1500, big = u64::MAX, ok = true, "High {}", "memory");
        let cause = Failed(std::io::Error::other("disk full"));
        tracing::error!(target: "saver", error = &cause as &dyn std::error::Error, path = ?"a\"b", password = "x");
        drop(_epoch);
        drop(run);
        tracing::trace!(target: "outside", message = "alone", ratio = f64::NAN);
    });
    let spans = json!([{"name": "run", "model": "bert", "loss": 0.5}, {"name": "epoch", "number": 3}]);
    let expected = [
        json!(["WARNING", "monitor", "High memory",
               {"memory_mb": 1500, "big": u64::MAX, "ok": true, "spans": spans}]),
        json!(["ERROR", "saver", "",
               {"error": "cannot save: disk full", "path": "\"a\\\"b\"", "password": "[REDACTED]", "spans": spans}]),
        json!(["DEBUG", "outside", "alone", {"ratio": "NaN"}]),
    ];
    assert_eq!(entries(&logs, &memory), expected);
}

/// Counts everything that anybody says.
struct Everything(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Everything {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The same for the macros of `log`, in front of the bridge.
struct Listener(LogBridge, Arc<AtomicUsize>);

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.log(record);
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[test]
fn what_delivery_says_is_not_delivered() {
    let (logs, memory) = aggregator();
    let (by_tracing, by_log) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let subscriber = tracing_subscriber::registry()
        .with(Everything(Arc::clone(&by_tracing)))
        .with(TracingLayer::new(Arc::clone(&logs)));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let listener = Listener(LogBridge::new(Arc::clone(&logs)), Arc::clone(&by_log));
    log::set_boxed_logger(Box::new(listener)).unwrap();
    log::set_max_level(log::LevelFilter::Trace);

    let down = HttpConfig::new("http://127.0.0.1:1/".parse().unwrap());
    let webhook = Webhook::open("down", Arc::new(down), settings()).unwrap();
    let connector = webhook.connector();
    webhook.queue(&Message::new("alert", json!({})));
    let deadline = Instant::now() + PATIENCE;
    while connector.status().unwrap().last_error.is_none() {
        assert!(Instant::now() < deadline, "it is tried");
        thread::sleep(Duration::from_millis(20));
    }
    tracing::info!(target: "ours", "by tracing");
    log::info!(target: "ours", count = 3, name = "x", none = None::<u32>.map_or(0.5, f64::from); "by {}", "log");
    assert!(by_tracing.load(Ordering::Relaxed) > 1 && by_log.load(Ordering::Relaxed) > 1, "somebody talks");
    let expected = [
        json!(["INFO", "ours", "by tracing", {}]),
        json!(["INFO", "ours", "by log", {"count": 3, "name": "x", "none": 0.5}]),
    ];
    assert_eq!(entries(&logs, &memory), expected);
    connector.close(Duration::ZERO);
}
