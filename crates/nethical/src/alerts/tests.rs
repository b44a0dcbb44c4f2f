use std::path::Path;

use nethical_core::delivery::{Batch, Connector, Destination, Profile, Receipt, Settings, SpoolSettings};
use nethical_core::event::{AlertStatus, Severity};
use nethical_destinations::connect;
use nethical_destinations::memory::MemoryConfig;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// Alerts that go to a memory, remembered in this folder or not at all.
pub(crate) fn alerts(home: Option<&Path>) -> (Alerts, MemoryConfig) {
    let memory = MemoryConfig::default();
    let webhooks = Arc::new(WebhookManager::new());
    let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
    webhooks.add_webhook("ops", connect(Arc::new(memory.clone()), "ops", settings).unwrap());
    let spool = match home {
        Some(home) => SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() },
        None => SpoolSettings::off(),
    };
    (Alerts::new(webhooks, AlertSettings { spool, ..AlertSettings::default() }), memory)
}

fn titles(alerts: &Alerts, memory: &MemoryConfig) -> Vec<String> {
    assert!(alerts.flush(PATIENCE));
    let title = |event: &Event| {
        let whole: serde_json::Value = serde_json::from_slice(event.json()).unwrap();
        format!(
            "{} {}",
            whole["metadata"]["status"].as_str().unwrap(),
            whole["data"]["title"].as_str().unwrap()
        )
    };
    memory.memory().events().iter().map(title).collect()
}

#[test]
fn without_a_key_each_is_sent() {
    let (alerts, memory) = alerts(None);
    assert!(alerts.info("a", "").send().is_sent() && alerts.info("a", "").send().is_sent());
    assert_eq!(titles(&alerts, &memory), ["firing a", "firing a"]);
    assert!(alerts.states().is_empty() && alerts.home().is_none());
}

#[test]
fn another_process_knows_what_was_sent_and_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let (first, one) = alerts(Some(home.path()));
    assert_eq!(first.error("disk", "91%").key("d").send().destinations(), ["ops"]);
    let (second, other) = alerts(Some(home.path()));
    assert!(matches!(second.error("disk", "92%").key("d").send(), Outcome::Suppressed { count: 1, .. }));
    assert!(second.is_active("d", Timestamp::now()) && !second.is_active("other", Timestamp::now()));
    let states = second.states();
    assert_eq!(
        (states.len(), states[0].suppressed, states[0].to.as_slice()),
        (1, 1, &["ops".to_owned()][..])
    );
    assert!(second.resolve("d").is_sent());
    assert!(matches!(first.resolve("d"), Outcome::NotActive { .. }));
    assert_eq!(titles(&first, &one), ["firing disk"]);
    assert_eq!(titles(&second, &other), ["resolved disk"]);
    assert_eq!(first.states()[0].status, AlertStatus::Resolved);
}

#[test]
fn a_disk_that_takes_nothing_leaves_the_memory() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("alerts"), "no folder").unwrap();
    let (alerts, memory) = alerts(Some(home.path()));
    for _ in 0..3 {
        alerts.error("disk", "").key("d").send();
    }
    assert!(alerts.resolve("d").is_sent());
    assert_eq!(titles(&alerts, &memory), ["firing disk", "resolved disk"]);
    assert_eq!(alerts.states()[0].suppressed_in_all, 2);
}

#[test]
fn one_that_names_nobody_there_says_so_and_goes_where_it_would_without() {
    let (alerts, memory) = alerts(None);
    let Outcome::Sent { deliveries, .. } =
        alerts.alert(Alert::new(Severity::Info, "a", "")).to("opps").send()
    else {
        panic!("it was not sent")
    };
    assert_eq!((&*deliveries[0].destination, &deliveries[0].error_code), ("ops", &None));
    assert_eq!(deliveries[1].error_code.as_deref(), Some("alerts.unknown"));
    assert_eq!(deliveries[1].hint.as_deref(), Some("did you mean `ops`?"));
    assert_eq!(titles(&alerts, &memory), ["firing a"]);
}

#[test]
fn one_that_nobody_took_was_not_sent_and_holds_nothing_back() {
    let home = tempfile::tempdir().unwrap();
    for home in [None, Some(home.path())] {
        let (alerts, memory) = alerts(home);
        let away = || {
            let ops = alerts.0.webhooks.webhook("ops").unwrap();
            alerts.0.webhooks.remove_webhook("ops");
            ops
        };
        let ops = away();
        let nobody = alerts.error("disk", "").key("d").send();
        assert!(
            matches!(&nobody, Outcome::NotTaken { deliveries, .. } if deliveries.is_empty()),
            "{nobody:?}"
        );
        assert!(alerts.states().is_empty());
        alerts.0.webhooks.add_webhook("ops", ops);
        assert!(alerts.error("disk", "").key("d").send().is_sent());
        // Its end is still to be told when nobody took that.
        let ops = away();
        assert!(matches!(alerts.resolve("d"), Outcome::NotTaken { .. }));
        assert_eq!(alerts.states()[0].status, AlertStatus::Firing);
        alerts.0.webhooks.add_webhook("ops", ops);
        assert!(alerts.resolve("d").is_sent());
        assert_eq!(titles(&alerts, &memory), ["firing disk", "resolved disk"]);
    }
}

/// Refuses everything, and keeps no record.
struct Refusing;

type Answering<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, crate::Error>> + Send + 'a>>;

// Written out, what `async_trait` would make of it.
impl Destination for Refusing {
    fn profile(&self) -> Profile {
        Profile::default()
    }

    fn deliver<'s, 'b, 'a>(&'s self, _: &'b Batch) -> Answering<'a, Receipt>
    where
        's: 'a,
        'b: 'a,
    {
        Box::pin(async { Err(crate::Error::refused("test.no", "no")) })
    }

    fn probe<'s, 'a>(&'s self) -> Answering<'a, String>
    where
        's: 'a,
    {
        Box::pin(async { Ok("well".to_owned()) })
    }
}

#[test]
fn one_that_was_refused_without_a_record_holds_nothing_back() {
    let (alerts, memory) = alerts(None);
    let refusing = Settings { spool: SpoolSettings::off(), ..Settings::default() };
    let refusing = Connector::open("ops", refusing, || Ok(Arc::new(Refusing))).unwrap();
    let ops = alerts.0.webhooks.webhook("ops").unwrap();
    alerts.0.webhooks.add_webhook("ops", refusing);
    assert!(alerts.error("disk", "").key("d").send().is_sent());
    assert!(alerts.flush(PATIENCE) && alerts.states().is_empty());
    alerts.0.webhooks.add_webhook("ops", ops);
    assert!(alerts.error("disk", "").key("d").send().is_sent());
    assert_eq!(titles(&alerts, &memory), ["firing disk"]);
    assert!(matches!(alerts.error("disk", "").key("d").send(), Outcome::Suppressed { .. }));
}

#[test]
fn closed_destinations_leave_it_to_the_others() {
    let (alerts, memory) = alerts(None);
    let (_, discord) = {
        let config = MemoryConfig::default();
        let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
        let connector = connect(Arc::new(config.clone()), "discord", settings).unwrap();
        connector.close(PATIENCE);
        let webhook = Webhook::from(connector).of_kind("discord");
        (alerts.0.webhooks.add_webhook("discord", webhook), config)
    };
    assert_eq!(alerts.info("a", "").send().destinations(), ["discord", "ops"]);
    assert_eq!(titles(&alerts, &memory), ["firing a"]);
    assert!(discord.memory().events().is_empty());
}

#[test]
fn what_threads_raise_and_end_arrives_as_it_was_decided() {
    const ROUNDS: usize = 200;
    let (alerts, memory) = alerts(None);
    let start = std::sync::Barrier::new(4);
    let each_round = |work: &dyn Fn()| {
        (0..ROUNDS).for_each(|_| {
            start.wait();
            work();
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| each_round(&|| drop(alerts.error("disk", "").key("d").send())));
            scope.spawn(|| each_round(&|| drop(alerts.resolve("d"))));
        }
    });
    alerts.resolve("d");
    let titles = titles(&alerts, &memory);
    let expected = ["firing disk", "resolved disk"].into_iter().cycle().take(titles.len());
    // In whatever order they come, a round both raises it and ends it.
    assert!(titles.len() >= ROUNDS && titles.len().is_multiple_of(2), "{titles:?}");
    assert!(titles.iter().eq(expected), "{titles:?}");
}
