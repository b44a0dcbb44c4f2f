//! What Nethical warns of, for programs that have no subscriber of `tracing`.

use std::fmt::{self, Debug, Write};
use std::sync::{Arc, PoisonError, RwLock};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

type Tell = Arc<dyn Fn(&str, Option<&str>) + Send + Sync>;

static TELL: RwLock<Option<Tell>> = RwLock::new(None);

/// Have `tell` called with the text of each warning, and what to do next if that is known: something is kept in memory
/// only, is cut, or cannot be tidied up. It is called on whichever thread the warning comes from.
///
/// A program with a subscriber of `tracing` has them as events of target `nethical` instead, and needs this not.
pub fn hear_warnings(tell: impl Fn(&str, Option<&str>) + Send + Sync + 'static) {
    *TELL.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tell));
    // Where there is a subscriber, that one has them.
    let _ = tracing::subscriber::set_global_default(Warnings);
}

/// Takes our warnings, and nothing else.
struct Warnings;

fn is_wanted(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == "nethical" && *metadata.level() <= Level::WARN
}

impl Subscriber for Warnings {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_wanted(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_wanted(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut warning = Warning::default();
        event.record(&mut warning);
        let tell = TELL.read().unwrap_or_else(PoisonError::into_inner).clone();
        let hint = Some(warning.hint.as_str()).filter(|hint| !hint.is_empty());
        tell.iter().for_each(|tell| tell(&warning.message, hint));
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[derive(Default)]
struct Warning {
    message: String,
    hint: String,
}

impl Warning {
    fn part(&mut self, field: &Field) -> Option<&mut String> {
        match field.name() {
            "message" => Some(&mut self.message),
            "hint" => Some(&mut self.hint),
            _ => None,
        }
    }
}

impl Visit for Warning {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &fmt::from_fn(|f| f.write_str(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some(part) = self.part(field) {
            let _ = write!(part, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn our_warnings_are_told_and_nothing_else() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        hear_warnings(move |message, hint| {
            list.lock().unwrap().push((message.to_owned(), hint.map(str::to_owned)));
        });
        tracing::subscriber::with_default(Warnings, || {
            let _span = tracing::error_span!(target: "nethical", "span").entered();
            tracing::warn!(target: "nethical", hint = "make room", "{} is full", "the disk");
            tracing::warn!(target: "nethical", other = 1, "cut");
            tracing::info!(target: "nethical", "going on");
            tracing::error!(target: "somebody", "else");
        });
        let cut = ("cut".to_owned(), None);
        assert_eq!(
            *told.lock().unwrap(),
            [("the disk is full".to_owned(), Some("make room".to_owned())), cut]
        );
    }
}
