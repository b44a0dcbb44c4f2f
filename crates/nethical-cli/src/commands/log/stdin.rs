//! Entries from standard input.

use std::fmt::Write;
use std::io::{self, BufReader, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressDrawTarget, ProgressState, ProgressStyle};
use nethical::Metadata;
use nethical::event::{EventId, Head, Timestamp, encode, whole_numbers};

use super::Args;
use super::delivery::Delivery;
use super::entry::Object;
use super::lines::{Line, Lines};
use super::report::Input;
use crate::failure::Failure;
use crate::{render, signals};

/// Lines between two looks at the screen.
const STEP: u64 = 4_096;

/// Log every line; returns at the end of the input.
pub(super) fn feed(args: &Args, metadata: &Metadata, delivery: &Arc<Delivery>) -> Result<Input, Failure> {
    let shared = Arc::new(Shared::new());
    let (at_end, rotated, watched) = (Arc::clone(delivery), Arc::clone(delivery), Arc::clone(&shared));
    let finish = move || {
        watched.stop.store(true, Ordering::Relaxed);
        let _ = at_end.finish(&watched.input());
    };
    let reopen = move || rotated.logs().connectors().iter().for_each(|connector| connector.reopen());
    signals::watch(finish, reopen).map_err(|error| Failure::io("watch for signals", &error))?;
    show_progress(delivery);
    if io::stdin().is_terminal() {
        render::say("reading entries from the terminal, one on each line; Ctrl-D ends");
    }
    Feeder { args, metadata, delivery, input: shared.input() }.run(&shared)
}

fn show_progress(delivery: &Delivery) {
    if !io::stderr().is_terminal() || io::stdin().is_terminal() {
        return;
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} lines, {rate} a second, {elapsed}")
    {
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&render::thousands(state.per_sec() as u64));
        };
        delivery.progress.set_style(style.with_key("rate", rate));
    }
    delivery.progress.set_draw_target(ProgressDrawTarget::stderr());
    delivery.progress.enable_steady_tick(Duration::from_millis(100));
}

/// What the thread that waits for signals must know.
struct Shared {
    stop: AtomicBool,
    started: Instant,
    input: Mutex<Input>,
}

impl Shared {
    fn new() -> Self {
        let input = Input { lines: Some(0), ..Input::default() };
        Self { stop: AtomicBool::new(false), started: Instant::now(), input: Mutex::new(input) }
    }

    fn input(&self) -> Input {
        let input = *self.input.lock().unwrap_or_else(PoisonError::into_inner);
        Input { took: self.started.elapsed(), ..input }
    }

    fn set(&self, input: Input) {
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = input;
    }
}

struct Feeder<'a> {
    args: &'a Args,
    metadata: &'a Metadata,
    delivery: &'a Delivery,
    input: Input,
}

impl Feeder<'_> {
    fn run(mut self, shared: &Shared) -> Result<Input, Failure> {
        let mut lines = Lines::new(BufReader::with_capacity(1 << 18, io::stdin().lock()));
        let mut number = 0;
        while let Some(line) = lines.next().map_err(|error| Failure::io("read standard input", &error))? {
            if shared.stop.load(Ordering::Relaxed) {
                signals::wait_for_the_end();
            }
            self.take(&line);
            number += 1;
            self.input.lines = Some(number);
            shared.set(self.input);
            if number.is_multiple_of(STEP) {
                self.delivery.progress.set_position(number);
            }
        }
        Ok(shared.input())
    }

    fn take(&mut self, line: &Line<'_>) {
        self.input.cut += u64::from(line.cut);
        self.input.with_nul += u64::from(line.bytes.contains(&0));
        let text = String::from_utf8_lossy(line.bytes);
        self.input.not_utf8 += u64::from(matches!(text, std::borrow::Cow::Owned(_)));
        if !self.args.json {
            self.log_text(&text);
        } else if !text.trim().is_empty() {
            self.log_json(&text);
        }
    }

    fn log_text(&self, text: &str) {
        let at = Timestamp::now();
        let head = Head {
            timestamp: at,
            level: self.args.level,
            message: text,
            source: &self.args.source,
            id: EventId::at(at),
        };
        if self.delivery.logs().wants(head.level) {
            let rules = self.delivery.logs().rules();
            self.delivery.publish(&encode(&head, rules, |json| self.metadata.write(json)));
        }
    }

    fn log_json(&mut self, text: &str) {
        let Ok(object) = serde_json::from_str::<Object>(&whole_numbers(text)) else {
            self.input.not_json += 1;
            return self.log_text(text);
        };
        let (entry, odd) = object.into_entry(self.args.level, &self.args.source, self.metadata);
        self.input.odd += u64::from(odd);
        self.delivery.logs().log_entry(&entry);
    }
}
