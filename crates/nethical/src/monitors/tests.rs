use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::{Event, Timestamp};
use nethical_destinations::connect;
use nethical_destinations::memory::MemoryConfig;
use serde_json::Value;

use super::*;
use crate::alerts::AlertSettings;
use crate::{WebhookManager, fields};

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    monitoring: MonitoringSystem,
    logged: MemoryConfig,
    told: MemoryConfig,
}

impl World {
    /// Remembering in this folder, or not at all.
    fn new(home: Option<&std::path::Path>, monitors: Vec<Monitor>) -> Self {
        let (logged, told) = (MemoryConfig::default(), MemoryConfig::default());
        let open = |config: &MemoryConfig, name: &str| {
            let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
            connect(Arc::new(config.clone()), name, settings).unwrap()
        };
        let (logs, webhooks) = (LogAggregator::new(), WebhookManager::new());
        logs.add(open(&logged, "log"));
        webhooks.add_webhook("ops", open(&told, "ops"));
        let spool = match home {
            Some(home) => SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() },
            None => SpoolSettings::off(),
        };
        let alerts = Alerts::new(Arc::new(webhooks), AlertSettings { spool, ..AlertSettings::default() });
        Self { monitoring: MonitoringSystem::new(Arc::new(logs), alerts, monitors), logged, told }
    }

    /// What was told: status and message.
    fn told(&self) -> Vec<String> {
        assert!(self.monitoring.alerts().flush(PATIENCE));
        let shown = |event: &Event| {
            let whole: Value = serde_json::from_slice(event.json()).unwrap();
            let text = |table: &str, name: &str| whole[table][name].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("metadata", "status"), text("data", "message"))
        };
        self.told.memory().events().iter().map(shown).collect()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn accuracy() -> Monitor {
    let limit = Limit { condition: Condition::Below, threshold: 0.90, clear: Some(0.92) };
    Monitor { limit: Some(limit), ..Monitor::new("accuracy", "accuracy") }
}

#[test]
fn of_10_000_flapping_values_is_told_what_the_rules_say() {
    let monitor = Monitor { cooldown: Duration::from_secs(600), ..accuracy() };
    let world = World::new(None, vec![monitor]);
    // A value a second: half of each 100 seconds around the threshold, the other half far above.
    for second in 0..10_000 {
        let value = match second % 100 {
            50.. => 0.95,
            flap if flap % 2 == 0 => 0.89,
            _ => 0.91,
        };
        world.monitoring.observe_at("accuracy", value, at(second));
    }
    // A breach lasts until 0.95 comes, and then it is quiet for six more rounds and a half: it begins in every seventh.
    let (rounds, breaches) = (100, 15);
    // While it lasts all other values up to the end are held back, in quiet rounds those below the threshold.
    let suppressed = breaches * 49 + (rounds - breaches) * 25;
    let told = world.told();
    assert_eq!(told.len() as u64, 2 * breaches);
    for pair in told.chunks(2) {
        assert_eq!(pair[0], "firing: accuracy is 0.89, and should not be < 0.9");
        assert_eq!(pair[1], "resolved: accuracy is 0.95 again");
    }
    let states = world.monitoring.alerts().states();
    let [state] = states.as_slice() else { panic!("{states:?}") };
    assert_eq!((state.suppressed_in_all, state.raised_in_all), (suppressed, breaches + suppressed));
    assert_eq!(
        (state.key.as_str(), state.status),
        ("monitor:accuracy", nethical_core::event::AlertStatus::Resolved)
    );
}

#[test]
fn a_check_is_told_once_and_logged_and_its_end_too() {
    let world = World::new(None, Vec::new());
    let check = |value| world.monitoring.check_threshold("loss", value, 1.0, Condition::Above);
    assert!(check(1.5) && check(1.6) && !check(0.5) && check(f64::NAN));
    world.monitoring.log_metric("loss", 0.5, fields! { epoch: 3 });
    let told = world.told();
    assert_eq!(
        told,
        [
            "firing: loss is 1.5, and should not be > 1",
            "resolved: loss is 0.5 again",
            "firing: loss is NaN, and should not be > 1"
        ]
    );
    assert!(world.monitoring.cleanup(PATIENCE));
    let logged: Vec<_> = world.logged.memory().events();
    let messages: Vec<_> = logged.iter().map(|event| event.log().unwrap().message.into_owned()).collect();
    assert_eq!(messages, ["Threshold breach: loss", "Threshold breach: loss", "Metric: loss = 0.5"]);
    let last = logged[2].log().unwrap();
    assert_eq!((&*last.source, last.metadata), ("metrics", r#"{"epoch":3,"metric":"loss","value":0.5}"#));
}

#[test]
fn a_breach_lasts_through_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let monitor =
        || Monitor { hold: Duration::from_secs(10), cooldown: Duration::from_secs(60), ..accuracy() };
    let see = |second, value| {
        let world = World::new(Some(home.path()), vec![monitor()]);
        world.monitoring.observe_at("accuracy", value, at(second));
        world.told()
    };
    assert_eq!(see(0, 0.5), Vec::<String>::new());
    assert_eq!(see(10, 0.5), ["firing: accuracy is 0.5, and should not be < 0.9 for 10s"]);
    assert_eq!(see(20, 0.91), Vec::<String>::new());
    assert_eq!(see(30, 0.95), ["resolved: accuracy is 0.95 again"]);
    assert_eq!(see(31, 0.5), Vec::<String>::new());
    assert_eq!(see(45, 0.5), Vec::<String>::new(), "it is quiet");
    assert_eq!(see(91, 0.5).len(), 1);
}

#[test]
fn what_is_missing_is_told_and_told_again_while_it_lasts() {
    let monitor = Monitor { missing: Some(Duration::from_secs(600)), ..Monitor::new("beat", "beat") };
    let world = World::new(None, vec![monitor]);
    // Long from now, so that the clock of the machine finds nothing to say.
    world.monitoring.observe_at("beat", 1.0, at(0));
    for minute in 1..=300 {
        world.monitoring.tick_at(at(minute * 60));
    }
    world.monitoring.observe_at("beat", 1.0, at(18_060));
    assert_eq!(
        world.told(),
        [
            "firing: no value of beat for 10m",
            "firing: no value of beat for 10m",
            "resolved: beat has values again"
        ]
    );
}

#[test]
fn a_message_of_ones_own_has_its_values() {
    let message = "{metric}={value} {condition} {threshold}".to_owned();
    let monitor = Monitor { title: Some("{metric}!".to_owned()), message: Some(message), ..accuracy() };
    let world = World::new(None, vec![monitor]);
    world.monitoring.observe_at("accuracy", 0.5, at(0));
    world.monitoring.observe_at("other", 0.5, at(0));
    assert_eq!(world.told(), ["firing: accuracy=0.5 < 0.9"]);
}
