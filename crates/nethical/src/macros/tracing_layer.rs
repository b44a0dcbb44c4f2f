//! The macros of the `tracing` crate.

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::{IntoValue, Level, LogAggregator, Metadata};

/// The name under which an entry has the spans that it was said in, outermost first.
const SPANS: &str = "spans";

/// A layer for the macros of the [`tracing`] crate: each event becomes an entry. Its target is the source, its
/// fields are the metadata. The spans around it stand under `spans`, outermost first, each an object of its
/// `name` and fields. `trace!` and `debug!` are [`Level::Debug`].
///
/// What Nethical and the libraries under it say while they deliver is left out. To keep other events out, give
/// the layer a filter (`with_filter` of [`Layer`]).
///
/// The layer holds its connectors for as long as the program has it, which is to its end: close them before
/// ([`LogAggregator::close_all`], [`Nethical::close`](crate::Nethical::close)), or the last that was said is lost.
///
/// ```
/// use std::sync::Arc;
/// use nethical::{LogAggregator, TracingLayer};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let logs = Arc::new(LogAggregator::new());
/// let subscriber = tracing_subscriber::registry().with(TracingLayer::new(Arc::clone(&logs)));
/// tracing::subscriber::with_default(subscriber, || {
///     let _epoch = tracing::info_span!("epoch", number = 3).entered();
///     tracing::warn!(target: "monitor", memory_mb = 1500, "High memory usage");
/// });
/// ```
#[derive(Debug)]
pub struct TracingLayer {
    logs: Arc<LogAggregator>,
}

impl TracingLayer {
    /// A layer that hands events to these connectors.
    pub const fn new(logs: Arc<LogAggregator>) -> Self {
        Self { logs }
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(SpanFields(fields.others));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // Before the span is locked: how a value shows itself may log, in this very span.
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(SpanFields(known)) = span.extensions_mut().get_mut() {
            fields.others.iter().for_each(|(name, value)| known.insert(name.to_owned(), value.clone()));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let level = level(*metadata.level());
        if super::is_ours(metadata.target()) || !self.logs.wants(level) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = spans(event, &context);
        if !spans.is_empty() {
            fields.others.insert(SPANS, Value::Array(spans));
        }
        self.logs.log(level, &fields.message, metadata.target(), fields.others);
    }
}

/// The fields of a span, kept with it by the registry.
struct SpanFields(Metadata);

fn spans<S: Subscriber + for<'span> LookupSpan<'span>>(
    event: &Event<'_>,
    context: &Context<'_, S>,
) -> Vec<Value> {
    let Some(scope) = context.event_scope(event) else { return Vec::new() };
    scope
        .from_root()
        .map(|span| {
            let mut object = Map::new();
            object.insert("name".to_owned(), span.name().into());
            if let Some(SpanFields(fields)) = span.extensions().get() {
                object.extend(fields.iter().map(|(key, value)| (key.to_owned(), value.clone())));
            }
            Value::Object(object)
        })
        .collect()
}

const fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::TRACE | tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Info,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::ERROR => Level::Error,
    }
}

/// What an event or a span says about itself.
#[derive(Default)]
struct Fields {
    message: String,
    others: Metadata,
}

impl Fields {
    fn set(&mut self, field: &Field, value: impl IntoValue) {
        self.others.insert(field.name(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        self.set(field, super::shown(format_args!("{}", Causes(error))));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = super::shown(format_args!("{value:?}"));
        if field.name() == "message" {
            self.message = text;
        } else {
            self.set(field, text);
        }
    }
}

/// An error and what caused it, in one line.
struct Causes<'e>(&'e (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(cause) = error.source() {
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}
