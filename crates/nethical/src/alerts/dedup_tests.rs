use super::*;

const START: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

fn alert(second: i64, severity: Severity) -> Alert {
    Alert::at(at(second), severity, "Disk full", "91%").with_field("disk", "sda")
}

/// Raises and resolves one key, and keeps what was sent.
#[derive(Default)]
struct Book {
    state: Option<AlertState>,
    sent: Vec<(i64, AlertStatus, u64, u64)>,
}

impl Book {
    fn take(&mut self, next: Next, second: i64) -> bool {
        self.state = Some(next.state);
        let sent = next.alert.map(|alert| (second, alert.status, alert.repeats, alert.suppressed));
        self.sent.extend(sent);
        sent.is_some()
    }

    fn raise_as(&mut self, second: i64, severity: Severity, manner: Manner) -> bool {
        let next = raise(self.state.take(), &alert(second, severity), "disk", Repeats::default(), manner);
        self.take(next, second)
    }

    fn raise(&mut self, second: i64) -> bool {
        self.raise_as(second, Severity::Error, Manner::Called)
    }

    fn resolve(&mut self, second: i64) -> bool {
        match self.state.clone().and_then(|state| resolve(state, &end_of("disk", at(second)))) {
            Some(next) => self.take(next, second),
            None => false,
        }
    }
}

const FIRING: AlertStatus = AlertStatus::Firing;
const RESOLVED: AlertStatus = AlertStatus::Resolved;

#[test]
fn one_is_sent_while_it_lasts_and_again_after_the_interval() {
    let mut book = Book::default();
    let sent: Vec<_> = (0..9 * 60).filter(|minute| book.raise(minute * 60)).collect();
    assert_eq!(sent, [0, 240, 480]);
    assert!(book.resolve(9 * 3_600) && !book.resolve(9 * 3_600 + 1), "it is over once");
    assert_eq!(
        book.sent,
        [(0, FIRING, 0, 0), (14_400, FIRING, 1, 239), (28_800, FIRING, 2, 239), (32_400, RESOLVED, 0, 59)]
    );
    let state = book.state.unwrap();
    assert_eq!((state.raised_in_all, state.suppressed_in_all, state.sent), (540, 537, 3));
}

#[test]
fn after_the_window_it_is_a_new_one_and_a_worse_one_is_sent_at_once() {
    let mut book = Book::default();
    assert!(book.raise(0) && !book.raise(3_600) && book.raise(7_201));
    assert!(book.raise_as(7_202, Severity::Critical, Manner::Called) && !book.raise(7_203));
    assert_eq!(book.sent.iter().map(|sent| sent.2).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(book.state.unwrap().severity, Severity::Critical);
}

#[test]
fn what_is_watched_lasts_until_it_is_said_to_be_over() {
    let mut book = Book::default();
    assert!(book.raise_as(0, Severity::Error, Manner::Watched));
    assert!(!book.raise_as(10_000, Severity::Error, Manner::Reminded), "not yet time");
    assert_eq!(book.state.as_ref().unwrap().suppressed, 0, "a reminder is no alert");
    assert!(book.raise_as(14_400, Severity::Error, Manner::Reminded));
    assert!(book.resolve(14_500));
    assert!(!book.raise_as(14_501, Severity::Error, Manner::Muted));
    let state = book.state.as_ref().unwrap();
    assert_eq!((state.status, state.suppressed_in_all), (RESOLVED, 1));
}

#[test]
fn the_end_says_what_it_was_and_how_long() {
    let known = raise(None, &alert(0, Severity::Error), "disk", Repeats::default(), Manner::Called).state;
    let over = resolve(known.clone(), &end_of("disk", at(3_723))).unwrap().alert.unwrap();
    assert_eq!((over.title.as_str(), over.message.as_str()), ("Disk full", "over after 1h 2m: 91%"));
    assert_eq!((over.severity, over.key.as_deref()), (Severity::Error, Some("disk")));
    let told = Alert { message: "42% again".to_owned(), ..end_of("disk", at(1)) };
    assert_eq!(resolve(known, &told).unwrap().alert.unwrap().message, "42% again");
}
