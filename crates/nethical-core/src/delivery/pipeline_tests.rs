//! The worker against a scripted endpoint, on a paused clock.

use std::collections::VecDeque;

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::delivery::notice::Observer;
use crate::delivery::queue::{Full, QueueLimits};
use crate::delivery::settings::SpoolSettings;
use crate::delivery::{Kind, Ledger, Refusal, Unfinished};
use crate::event::{EventId, Family, Level, LogEntry, Rules};
use crate::spool::tests::slow::Slow;
use crate::spool::{Options, Spool};

/// What the endpoint does at one attempt.
#[derive(Debug, Clone)]
enum Answer {
    Take,
    /// Take all but the events whose text holds `bad`; those are refused one by one.
    RefuseSome,
    /// Refuse a batch that holds `bad` as a whole.
    RefuseBatch,
    /// Take the first `n`, then fail.
    Stop(usize),
    Fail(Error),
    Hang,
    Panic,
}

/// An endpoint that follows its script, and from its end on does the last thing again.
struct Scripted {
    script: Mutex<VecDeque<Answer>>,
    profile: Profile,
    well: AtomicBool,
    taken: Mutex<Vec<String>>,
    attempts: Mutex<Vec<(Duration, usize)>>,
    start: Instant,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            profile: Profile::default(),
            well: AtomicBool::new(true),
            taken: Mutex::default(),
            attempts: Mutex::default(),
            start: Instant::now(),
        }
    }

    fn take(&self, events: &[Event]) {
        lock(&self.taken).extend(events.iter().map(text));
    }

    fn taken(&self) -> Vec<String> {
        lock(&self.taken).clone()
    }

    fn attempts(&self) -> Vec<(Duration, usize)> {
        lock(&self.attempts).clone()
    }
}

fn text(event: &Event) -> String {
    String::from_utf8_lossy(event.json()).into_owned()
}

fn is_bad(event: &Event) -> bool {
    text(event).contains("bad")
}

fn refused() -> Error {
    Error::refused("test.refused", "no such thing")
}

fn down() -> Error {
    Error::unavailable("test.down", "connection refused")
}

#[async_trait]
impl Destination for Scripted {
    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        lock(&self.attempts).push((self.start.elapsed(), batch.len()));
        let answer = {
            let mut script = lock(&self.script);
            let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
            next.unwrap_or(Answer::Take)
        };
        match answer {
            Answer::Take => self.take(batch),
            Answer::Fail(error) => return Err(error),
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("this panic is part of a test"),
            Answer::RefuseBatch if batch.iter().any(is_bad) => return Err(refused()),
            Answer::RefuseBatch => self.take(batch),
            Answer::RefuseSome => {
                let (bad, good): (Vec<_>, Vec<_>) =
                    (0..batch.len()).partition(|&index| is_bad(&batch[index]));
                good.iter().for_each(|&index| self.take(&batch[index..=index]));
                let refused = bad.into_iter().map(|index| Refusal { index, error: refused() }).collect();
                return Ok(Receipt { refused, ..Receipt::all() });
            }
            Answer::Stop(after) => {
                let after = after.min(batch.len());
                self.take(&batch[..after]);
                let indices: Vec<_> = (after..batch.len()).collect();
                let unfinished = (!indices.is_empty()).then(|| Unfinished { indices, error: down() });
                return Ok(Receipt { unfinished, ..Receipt::all() });
            }
        }
        Ok(Receipt::all())
    }

    async fn probe(&self) -> Result<String, Error> {
        if self.well.load(Ordering::Acquire) { Ok("well".to_owned()) } else { Err(down()) }
    }
}

fn event(text: &str) -> Event {
    Event::new(EventId::new(), Timestamp::now(), Level::Info, Family::Logs, text.as_bytes())
}

struct Bench {
    pipeline: Arc<Pipeline>,
    endpoint: Arc<Scripted>,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(endpoint: Scripted, mut settings: Settings) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        settings.spool = SpoolSettings::off();
        settings.observer = Arc::new(move |notice| lock(&told).push(notice.to_string()));
        let endpoint = Arc::new(endpoint);
        let destination: Arc<dyn Destination> = Arc::<Scripted>::clone(&endpoint);
        let pipeline = Arc::new(Pipeline::new("test".into(), destination, settings, None));
        Self { pipeline, endpoint, notices }
    }

    fn offer(&self, texts: impl IntoIterator<Item = impl AsRef<str>>) -> &Self {
        for text in texts {
            let _ = self.pipeline.offer(event(text.as_ref()));
            assert!(self.ledger().balances());
        }
        self
    }

    fn start(&self) -> &Self {
        tokio::spawn(Arc::clone(&self.pipeline).run());
        self
    }

    fn ledger(&self) -> Ledger {
        self.pipeline.backlog.ledger()
    }

    /// Let time pass until nothing waits, and see how long that took.
    async fn settle(&self) -> Duration {
        let start = Instant::now();
        while self.ledger().waiting > 0 {
            assert!(start.elapsed() < Duration::from_secs(100_000), "still waiting: {:?}", self.ledger());
            // Fine steps at first, where times are asserted; coarse ones through a long outage.
            tokio::time::sleep((start.elapsed() / 100).max(Duration::from_millis(10))).await;
            assert!(self.ledger().balances());
        }
        start.elapsed()
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_nights_outage_dead_letters_nothing() {
    let script = std::iter::repeat_n(Answer::Fail(down()), 500).chain([Answer::Take]);
    let bench = Bench::new(Scripted::new(script), Settings::default());
    let took = bench.offer(numbers(250)).start().settle().await;
    assert!(took > Duration::from_secs(8 * 3600), "{took:?}");
    assert_eq!(bench.ledger().confirmed, 250);
    assert_eq!(bench.endpoint.taken(), numbers(250));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_and_its_end_too() {
    let script = std::iter::repeat_n(Answer::Fail(down().with_hint("start it")), 9).chain([Answer::Take]);
    let bench = Bench::new(Scripted::new(script), Settings::default());
    bench.offer(["x"]).start().settle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    while lock(&bench.notices).len() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut notices = lock(&bench.notices).clone();
    notices.sort();
    assert_eq!(notices, ["test is down, its events are held: connection refused", "test is up again"]);
    let status = bench.pipeline.status();
    assert!(status.down_for.is_none() && !status.breaker_open);
    assert_eq!(status.last_error.map(|error| error.code()), Some("test.down"));
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_event_dies() {
    let mut texts = numbers(100);
    texts[17] = "bad 17".to_owned();
    texts[71] = "bad 71".to_owned();
    for answer in [Answer::RefuseBatch, Answer::RefuseSome] {
        let bench = Bench::new(Scripted::new([answer]), Settings::default());
        bench.offer(&texts).start().settle().await;
        let ledger = bench.ledger();
        assert_eq!((ledger.confirmed, ledger.dead_lettered), (98, 2));
        let good: Vec<_> = texts.iter().filter(|text| !text.contains("bad")).cloned().collect();
        assert_eq!(bench.endpoint.taken(), good, "the others, in order");
        let dead = bench.pipeline.dead_letters();
        assert_eq!(dead.iter().map(|letter| text(&letter.event)).collect::<Vec<_>>(), ["bad 17", "bad 71"]);
        assert!(dead.iter().all(|letter| letter.error.code() == "test.refused" && letter.attempts > 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_is_kept() {
    let asked = Error::new(Kind::RateLimited(Some(Duration::from_secs(7))), "test.slow_down", "too many");
    let bench = Bench::new(Scripted::new([Answer::Fail(asked), Answer::Take]), Settings::default());
    bench.offer(["x"]).start().settle().await;
    let attempts = bench.endpoint.attempts();
    let [(first, 1), (second, 1)] = attempts[..] else { panic!("{attempts:?}") };
    assert!(second - first >= Duration::from_secs(7), "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_takes_a_token() {
    let script = std::iter::repeat_n(Answer::Fail(down()), 3).chain([Answer::Take]);
    let settings = Settings {
        rate_limit_per_sec: Some(0.1),
        batch_size: 1,
        queue: QueueLimits::default(),
        ..Settings::default()
    };
    let mut endpoint = Scripted::new(script);
    endpoint.profile.max_events = 1;
    let bench = Bench::new(endpoint, settings);
    let took = bench.offer(numbers(3)).start().settle().await;
    assert_eq!(bench.endpoint.attempts().len(), 6);
    assert!(took >= Duration::from_secs(50), "six attempts, ten seconds apart, took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_before_a_fault_is_not_sent_again() {
    let bench =
        Bench::new(Scripted::new([Answer::Stop(3), Answer::Stop(0), Answer::Take]), Settings::default());
    bench.offer(numbers(10)).start().settle().await;
    assert_eq!(bench.endpoint.taken(), numbers(10));
    assert_eq!(bench.endpoint.attempts().iter().map(|(_, size)| *size).collect::<Vec<_>>(), [10, 7, 7]);
}

#[tokio::test(start_paused = true)]
async fn doubt_is_not_repeated_where_a_repeat_does_harm() {
    let bench =
        Bench::new(Scripted::new([Answer::Fail(down().in_doubt()), Answer::Take]), Settings::default());
    bench.offer(["x"]).start().settle().await;
    assert_eq!(bench.ledger().dead_lettered, 1);
    assert_eq!(bench.endpoint.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_panics_is_tried_again() {
    let mut endpoint = Scripted::new([Answer::Panic, Answer::Take]);
    endpoint.profile.repeat_safe = true;
    let bench = Bench::new(endpoint, Settings::default());
    bench.offer(numbers(3)).start().settle().await;
    assert_eq!(bench.ledger().confirmed, 3);
}

#[tokio::test(start_paused = true)]
async fn the_event_is_at_fault_if_the_endpoint_is_well() {
    let mut endpoint = Scripted::new([Answer::Fail(down().in_doubt())]);
    endpoint.profile.repeat_safe = true;
    let bench = Bench::new(endpoint, Settings::default());
    bench.offer(["x"]).start().settle().await;
    assert_eq!(bench.ledger().dead_lettered, 1);
    assert_eq!(bench.endpoint.attempts().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_that_is_not_well_holds() {
    let script = std::iter::repeat_n(Answer::Fail(down().in_doubt()), 40).chain([Answer::Take]);
    let mut endpoint = Scripted::new(script);
    endpoint.profile.repeat_safe = true;
    endpoint.well = AtomicBool::new(false);
    let bench = Bench::new(endpoint, Settings::default());
    bench.offer(numbers(3)).start().settle().await;
    assert_eq!(bench.ledger().confirmed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_follows_its_policy() {
    let limits = |full| QueueLimits { max_events: 10, full, ..QueueLimits::default() };
    for (full, kept, reason) in [
        (Full::DropNewest, 0..10, DropReason::QueueFull),
        (Full::DropOldest, 15..25, DropReason::Oldest),
        (Full::Block(Duration::ZERO), 0..10, DropReason::QueueFull),
    ] {
        let bench = Bench::new(
            Scripted::new([Answer::Take]),
            Settings { queue: limits(full), ..Settings::default() },
        );
        bench.offer(numbers(25));
        assert_eq!(bench.ledger().dropped_because(reason), 15);
        bench.start().settle().await;
        assert_eq!(bench.endpoint.taken(), numbers(25)[kept].to_vec());
        assert_eq!(bench.ledger().accepted, 25);
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_smaller_than_a_batch_does_not_wait_for_its_age() {
    for (max_events, max_bytes) in [(5, 1_000), (1_000, 5)] {
        let queue = QueueLimits { max_events, max_bytes, ..QueueLimits::default() };
        let bench = Bench::new(Scripted::new([Answer::Take]), Settings { queue, ..Settings::default() });
        bench.start();
        tokio::task::yield_now().await;
        let took = bench.offer(["a"; 5]).settle().await;
        assert!(took < Duration::from_millis(100), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_bound_the_queue_and_the_batches() {
    let queue = QueueLimits { max_bytes: 1_000, ..QueueLimits::default() };
    let mut endpoint = Scripted::new([Answer::Take]);
    endpoint.profile.max_bytes = 250;
    endpoint.profile.event_overhead = 26;
    let bench = Bench::new(endpoint, Settings { queue, ..Settings::default() });
    bench.offer(std::iter::repeat_n("x".repeat(99), 20)).offer(["y"]).start().settle().await;
    let sizes: Vec<_> = bench.endpoint.attempts().iter().map(|(_, size)| *size).collect();
    assert_eq!(sizes, [2, 2, 2, 2, 2, 1]);
    assert_eq!(bench.ledger().dropped(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_event_over_the_batch_limit_goes_alone() {
    let mut endpoint = Scripted::new([Answer::Take]);
    endpoint.profile.max_bytes = 10;
    let bench = Bench::new(endpoint, Settings::default());
    bench.offer(["a", &"b".repeat(100), "c"]).start().settle().await;
    assert_eq!(bench.endpoint.attempts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_closed_by_count_at_once_and_by_age_later() {
    let bench = Bench::new(Scripted::new([Answer::Take]), Settings { batch_size: 5, ..Settings::default() });
    bench.start();
    tokio::task::yield_now().await;
    let took = bench.offer(numbers(5)).settle().await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    let took = bench.offer(numbers(4)).settle().await;
    assert!((Duration::from_millis(900)..Duration::from_millis(1_100)).contains(&took), "{took:?}");
    bench.offer(numbers(4)).pipeline.request_flush();
    let took = bench.settle().await;
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn closing_a_destination_that_is_down_accounts_for_the_rest() {
    for answer in [Answer::Fail(down()), Answer::Take] {
        let delivered = matches!(answer, Answer::Take);
        let bench = Bench::new(Scripted::new([answer]), Settings { batch_size: 3, ..Settings::default() });
        bench.offer(numbers(10)).start();
        let pipeline = Arc::clone(&bench.pipeline);
        let patience = std::time::Instant::now() + Duration::from_millis(50);
        let closing = tokio::task::spawn_blocking(move || pipeline.close(patience));
        // The queue waits on the real clock, and a blocking task keeps the paused one from moving.
        assert_eq!(closing.await.unwrap(), delivered);
        let ledger = bench.ledger();
        assert_eq!((ledger.waiting, ledger.accepted), (0, 10));
        assert_eq!(if delivered { ledger.confirmed } else { ledger.dropped_because(DropReason::Closed) }, 10);
        assert!(bench.pipeline.offer(event("late")) == Err(Rejected::Closed));
        let late = bench.ledger().since(&ledger);
        assert_eq!((late.accepted, late.dropped_because(DropReason::Closed)), (1, 1), "it is counted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_attempt_does_not_hang_the_close() {
    let bench = Bench::new(Scripted::new([Answer::Hang]), Settings::default());
    bench.offer(["x"]).start();
    let pipeline = Arc::clone(&bench.pipeline);
    let closed = tokio::task::spawn_blocking(move || pipeline.close(std::time::Instant::now())).await;
    assert!(!closed.unwrap());
    assert!(bench.ledger().balances());
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => Just(Answer::Take),
        2 => Just(Answer::RefuseBatch),
        2 => Just(Answer::RefuseSome),
        2 => (0..6_usize).prop_map(Answer::Stop),
        2 => Just(Answer::Fail(down())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the endpoint does: every event ends once, the good ones at the endpoint and in order.
    /// With `Take` and `Stop` an endpoint may take what it refuses at other times.
    #[test]
    fn every_event_ends_once_and_in_order(
        script in prop::collection::vec(answers(), 1..40),
        bad in prop::collection::vec(prop::bool::weighted(0.2), 1..60),
        batch_size in 1..12_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let texts: Vec<_> = bad.iter().enumerate().map(|(n, bad)| format!("{}{n:03}", if *bad { "bad " } else { "" })).collect();
            let bench = Bench::new(Scripted::new(script.into_iter().chain([Answer::RefuseBatch])), Settings { batch_size, ..Settings::default() });
            bench.offer(&texts).start().settle().await;
            let taken = bench.endpoint.taken();
            let dead: Vec<_> = bench.pipeline.dead_letters().iter().map(|letter| text(&letter.event)).collect();
            assert!(dead.iter().all(|text| text.contains("bad")));
            let number = |text: &String| text.trim_start_matches("bad ").to_owned();
            assert!(taken.iter().map(number).is_sorted(), "{taken:?}");
            let mut ended: Vec<_> = taken.iter().chain(&dead).map(number).collect();
            ended.sort();
            assert_eq!(ended, texts.iter().map(number).collect::<Vec<_>>());
        });
    }
}

#[test]
fn what_the_disk_does_not_take_is_told_as_being_at_risk() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Slow::default();
    let (spool, _) = Spool::open(Arc::new(disk.clone()), dir.path(), Options::default()).unwrap();
    let spooled = Arc::new(Spooled::new(spool, "a".into()).unwrap());
    let (told, notices) = std::sync::mpsc::channel();
    let observer: Observer = Arc::new(move |notice: &Notice| told.send(notice.to_string()).unwrap());
    let settings = Settings { observer, ..Settings::default() };
    let pipeline = Pipeline::new("a".into(), Arc::new(Scripted::new([])), settings, Some(spooled));
    let event = LogEntry::new(Level::Info, "x", "tests").encode(&Rules::default()).event;
    // There is no worker, so nothing is delivered.
    pipeline.offer(event.clone()).unwrap();
    let now = std::time::Instant::now;
    assert_eq!(pipeline.flush(now()), Flushed::Kept);
    disk.hold();
    pipeline.offer(event).unwrap();
    assert_eq!(pipeline.flush(now()), Flushed::AtRisk);
    assert!(pipeline.status().at_risk);
    let notice = notices.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(notice.starts_with("a has 2 events waiting, and the disk did not take all of them"), "{notice}");
    disk.go_on();
    while pipeline.flush(now()) != Flushed::Kept {}
    assert!(!pipeline.status().at_risk);
}
