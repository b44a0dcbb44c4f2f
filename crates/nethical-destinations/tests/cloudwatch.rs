//! CloudWatch Logs against a receiver that keeps every limit of the API.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nethical_core::delivery::{Connector, Error, Kind, Settings, SpoolSettings};
use nethical_core::event::{Event, EventId, Family, Level, LogEntry, Metadata, Rules, Timestamp};
use nethical_destinations::cloudwatch::{CloudWatchConfig, LogGroupClass};
use nethical_destinations::connect;
use nethical_receivers::cloudwatch::{CloudWatch, Trouble};
use testkit::{event, events, until};

const PATIENCE: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400;

fn config(fake: &CloudWatch) -> CloudWatchConfig {
    let mut config = CloudWatchConfig::new("app", "prod").with_keys("AKIDTEST", "secret", None);
    config.endpoint_url = Some(fake.url());
    config.region = Some("us-east-1".to_owned());
    config
}

fn open(config: CloudWatchConfig) -> Connector {
    let settings =
        Settings { observer: Arc::new(|_| {}), spool: SpoolSettings::off(), ..Settings::default() };
    connect(Arc::new(config), "cloudwatch", settings).unwrap()
}

fn probe(config: CloudWatchConfig) -> Result<String, Error> {
    open(config).probe()
}

/// What `nethical check` prints of an error.
fn checked(config: CloudWatchConfig) -> String {
    let error = probe(config).unwrap_err();
    format!("{error}\nhint: {}", error.hint().unwrap())
}

/// An entry of so many seconds ago with a message of about so many bytes.
fn aged(seconds: i64, bytes: usize) -> Event {
    let at = Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap();
    let mut entry = LogEntry::new(Level::Info, "x".repeat(bytes), "tests");
    entry.timestamp = at;
    entry.with(Metadata::new().with("age", seconds)).encode(&Rules::default()).event
}

fn ids(fake: &CloudWatch, stream: &str) -> Vec<String> {
    let id = |message: &str| {
        serde_json::from_str::<serde_json::Value>(message).unwrap()["id"].as_str().unwrap().to_owned()
    };
    fake.events("app", stream).iter().map(|event| id(&event.message)).collect()
}

#[test]
fn what_is_missing_is_created_as_configured_and_the_batch_sent_again_once() {
    let fake = CloudWatch::start().unwrap();
    let mut config = config(&fake);
    config.retention_days = Some(30);
    config.tags = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
    config.log_group_class = LogGroupClass::InfrequentAccess;
    let connector = open(config);
    let sent = events(3);
    sent.iter().for_each(|event| connector.send(event.clone()).unwrap());
    assert!(connector.flush(PATIENCE));
    let group = fake.group("app").unwrap();
    assert_eq!(
        (group.retention_days, &*group.class, &*group.tags["team"]),
        (Some(30), "INFREQUENT_ACCESS", "ml")
    );
    assert_eq!(fake.events("app", "prod")[0].message.as_bytes(), sent[0].json());
    assert_eq!(fake.events("app", "prod")[0].timestamp, sent[0].at().as_millisecond());
    let calls = fake.counts().calls;
    let expected =
        [("CreateLogGroup", 1), ("CreateLogStream", 2), ("PutLogEvents", 2), ("PutRetentionPolicy", 1)];
    assert_eq!(calls, expected.map(|(name, count)| (name.to_owned(), count)).into());
}

#[test]
fn rejected_events_are_dead_letters_with_their_reasons_and_the_others_arrive() {
    let fake = CloudWatch::start().unwrap();
    fake.create("app", "prod");
    fake.set_retention("app", 3);
    let connector = open(config(&fake));
    let before_1970 = Event::new(
        EventId::new(),
        Timestamp::from_second(-1).unwrap(),
        Level::Info,
        Family::Logs,
        b"{\"id\":\"x\"}",
    );
    let all =
        [aged(0, 1), aged(20 * DAY, 1), aged(-3 * 3_600, 1), aged(5 * DAY, 1), aged(3_600, 1), before_1970];
    all.iter().for_each(|event| connector.send(event.clone()).unwrap());
    assert!(connector.flush(PATIENCE));
    assert_eq!(ids(&fake, "prod"), [&all[4], &all[0]].map(|event| event.id().to_string()));
    let reasons: HashMap<_, _> =
        connector.dead_letters().into_iter().map(|letter| (letter.event.id(), letter.error.code())).collect();
    let reason = |index: usize| reasons[&all[index].id()];
    assert_eq!(
        [1, 2, 3, 5].map(reason),
        ["cloudwatch.too_old", "cloudwatch.too_new", "cloudwatch.expired", "cloudwatch.before_1970",]
    );
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn an_event_that_makes_its_request_invalid_is_buried_alone() {
    let fake = CloudWatch::start().unwrap();
    fake.create("app", "prod");
    fake.behave(|behaviour| behaviour.poison = Some("poison".to_owned()));
    let connector = open(config(&fake));
    let sent: Vec<_> = (0..50).map(|n| event(if n == 33 { "poison" } else { "fine" })).collect();
    sent.iter().for_each(|event| connector.send(event.clone()).unwrap());
    assert!(connector.flush(PATIENCE));
    assert_eq!(ids(&fake, "prod").len(), 49);
    let dead = connector.dead_letters();
    assert_eq!(
        (dead.len(), dead[0].event.id(), dead[0].error.code()),
        (1, sent[33].id(), "cloudwatch.invalid")
    );
}

#[test]
fn the_day_of_an_entry_chooses_its_stream() {
    let fake = CloudWatch::start().unwrap();
    let mut config = config(&fake);
    config.log_stream = "{date}".to_owned();
    let connector = open(config);
    let days = [aged(0, 1), aged(DAY, 1), aged(2 * DAY, 1)];
    days.iter().for_each(|event| connector.send(event.clone()).unwrap());
    assert!(connector.flush(PATIENCE));
    for event in &days {
        let at = event.at().to_string();
        let (day, _) = at.split_once('T').unwrap();
        assert_eq!(ids(&fake, day), [event.id().to_string()]);
    }
}

#[test]
fn mixed_entries_through_throttles_and_dropped_answers_are_all_accounted_for() {
    // Run with `NETHICAL_TEST_ENTRIES=100000` for the whole of it.
    let count =
        std::env::var("NETHICAL_TEST_ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000);
    let fake = CloudWatch::start().unwrap();
    fake.create("app", "prod");
    fake.set_retention("app", 7);
    fake.behave(|behaviour| {
        behaviour.throttled_per_mille = 50;
        behaviour.dropped_per_mille = 10;
        behaviour.next.push_back(Trouble::DropAnswer);
    });
    let connector = open(config(&fake));
    let started = Instant::now();
    let mut accepted = Vec::new();
    for n in 0..count {
        let age = match n % 50 {
            0 => 15 * DAY,
            1 => 10 * DAY,
            2 => -4 * 3_600,
            other => (other * 7_919 + n) % (6 * DAY),
        };
        let event = aged(age, [20, 200, 2_000][n as usize % 3]);
        accepted.push(event.id().to_string());
        // Waits where the queue is full, as `block` does.
        until("there is room", || connector.send(event.clone()).is_ok());
    }
    assert!(connector.flush(Duration::from_secs(600)), "{:?}", connector.status());
    let took = started.elapsed();
    let mut held: HashMap<String, u32> = HashMap::new();
    ids(&fake, "prod").into_iter().for_each(|id| *held.entry(id).or_default() += 1);
    let dead: HashMap<_, _> = connector
        .dead_letters()
        .into_iter()
        .map(|letter| (letter.event.id().to_string(), letter.error))
        .collect();
    for id in &accepted {
        assert!(held.contains_key(id) != dead.contains_key(id), "{id} is in one of both");
    }
    assert!(dead.values().all(|error| matches!(error.kind(), Kind::Refused)));
    assert_eq!(dead.len(), (0..count).filter(|n| n % 50 < 3).count());
    let ledger = connector.status().unwrap().ledger;
    assert!(ledger.balances());
    assert_eq!((ledger.confirmed as usize, ledger.dead_lettered as usize), (held.len(), dead.len()));
    let counts = fake.counts();
    let repeated: u64 = held.values().map(|count| u64::from(*count) - 1).sum();
    assert_eq!(repeated, counts.dropped_events, "only what was not answered is there again");
    assert_eq!(fake.violations(), Vec::<String>::new());
    assert!(counts.dropped > 0);
    println!(
        "{count} entries in {took:?}: {} puts, {} throttled, {} dropped answers, {repeated} copies, {} dead letters",
        counts.calls["PutLogEvents"],
        counts.throttled,
        counts.dropped,
        dead.len(),
    );
}

#[test]
fn a_wrong_clock_is_corrected_by_the_servers() {
    let fake = CloudWatch::start().unwrap();
    for ahead in [3_600, -3_600] {
        fake.behave(|behaviour| behaviour.access.clock_ahead = ahead);
        let connector = open(config(&fake));
        connector.send(event("now")).unwrap();
        assert!(connector.flush(PATIENCE), "{:?}", connector.status());
        assert!(connector.status().unwrap().last_error.is_none(), "corrected at once");
        assert!(probe(config(&fake)).is_ok());
    }
    assert_eq!(ids(&fake, "prod").len(), 2);
}

#[test]
fn what_only_people_can_mend_holds_everything_and_is_told_once() {
    let fake = CloudWatch::start().unwrap();
    fake.behave(|behaviour| {
        behaviour.access.expired_tokens.insert("old".to_owned());
        behaviour.access.denied.insert("logs:PutLogEvents".to_owned());
    });
    let with = |secret: &str, token: Option<&str>| {
        config(&fake).with_keys("AKIDTEST", secret, token.map(str::to_owned))
    };
    for (config, code) in [
        (with("secret", None), "aws.access_denied"),
        (with("secret", Some("old")), "aws.expired"),
        (with("guess", None), "aws.wrong_secret"),
        (with("secret", None).with_keys("AKIDGONE", "secret", None), "aws.unknown_key"),
    ] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let observer = Arc::clone(&told);
        let settings = Settings {
            observer: Arc::new(move |notice| observer.lock().unwrap().push(notice.to_string())),
            spool: SpoolSettings::off(),
            batch_age: Duration::from_millis(1),
            ..Settings::default()
        };
        let connector = connect(Arc::new(config), "cloudwatch", settings).unwrap();
        let puts = || fake.counts().calls.get("PutLogEvents").copied().unwrap_or(0);
        let before = puts();
        connector.send(event("held")).unwrap();
        until("it is tried several times", || puts() >= before + 3);
        let status = connector.status().unwrap();
        assert_eq!(status.last_error.unwrap().code(), code);
        assert_eq!((status.ledger.waiting, status.ledger.dead_lettered), (1, 0), "{code}");
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("its events are held"), "{told:?}");
    }
}

#[test]
fn an_outage_of_permission_holds_everything_and_ends_by_itself() {
    let fake = CloudWatch::start().unwrap();
    fake.behave(|behaviour| _ = behaviour.access.denied.insert("logs:PutLogEvents".to_owned()));
    let connector = open(config(&fake));
    events(10).into_iter().for_each(|event| connector.send(event).unwrap());
    connector.request_flush();
    until("it is down", || connector.status().unwrap().down_for.is_some());
    assert_eq!(connector.status().unwrap().last_error.unwrap().code(), "aws.access_denied");
    fake.behave(|behaviour| behaviour.access.denied.clear());
    assert!(connector.flush(PATIENCE));
    assert_eq!(ids(&fake, "prod").len(), 10);
    assert_eq!(connector.dead_letters().len(), 0);
}

#[test]
fn check_says_where_entries_go_and_as_whom_and_stores_nothing() {
    let fake = CloudWatch::start().unwrap();
    let found = probe(config(&fake)).unwrap();
    assert_eq!(
        found,
        "log group app, log stream prod in us-east-1, as arn:aws:iam::123456789012:user/tester"
    );
    assert_eq!(fake.events("app", "prod"), []);
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn check_names_each_missing_permission() {
    for action in ["logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup"] {
        let fake = CloudWatch::start().unwrap();
        fake.behave(|behaviour| _ = behaviour.access.denied.insert(action.to_owned()));
        let text = checked(config(&fake));
        assert!(text.contains(&format!("hint: allow `{action}` on log group `app`")), "{text}");
        assert!(text.contains("user/tester"), "{text}");
    }
}

#[test]
fn check_tells_unknown_keys_expired_tokens_and_missing_groups_apart() {
    let fake = CloudWatch::start().unwrap();
    fake.behave(|behaviour| _ = behaviour.access.expired_tokens.insert("old".to_owned()));
    let text = checked(config(&fake).with_keys("AKIDOTHER", "secret", None));
    assert!(
        text.contains("UnrecognizedClientException") && text.contains("does not know this access key"),
        "{text}"
    );
    let text = checked(config(&fake).with_keys("AKIDTEST", "secret", Some("old".to_owned())));
    assert!(text.contains("ExpiredTokenException") && text.contains("`aws sso login`"), "{text}");
    let text = checked(config(&fake).with_keys("AKIDTEST", "guess", None));
    assert!(
        text.contains("does not match the signature") && text.contains("`AWS_SECRET_ACCESS_KEY`"),
        "{text}"
    );
    let mut existing = config(&fake);
    existing.create = false;
    let text = checked(existing.clone());
    assert!(text.starts_with("there is no log group `app` in us-east-1\nhint: create it"), "{text}");
    assert!(fake.group("app").is_none());
    fake.create("app", "other");
    let text = checked(existing);
    assert!(
        text.starts_with("log group `app` in us-east-1 has no log stream `prod`\nhint: create it"),
        "{text}"
    );
}

#[test]
fn check_names_an_unknown_region() {
    let mut config = CloudWatchConfig::new("app", "prod").with_keys("AKIDTEST", "secret", None);
    config.region = Some("us-esat-1".to_owned());
    if std::env::var_os("AWS_ENDPOINT_URL").is_none() {
        let text = checked(config);
        assert!(text.contains("us-esat-1"), "{text}");
    }
}

#[test]
fn no_secret_is_in_what_people_see() {
    let fake = CloudWatch::start().unwrap();
    let config = config(&fake).with_keys("AKIDTEST", "hunter2", Some("token-of-mine".to_owned()));
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("token-of-mine"), "{shown}");
}
