//! Options from TOML.

use serde_spanned::Spanned;
use toml::de::{DeFloat, DeInteger, DeString, DeTable, DeValue};

use super::{Entry, Key, Node, Options, OptionsError, Span, Value};

pub(super) fn parse(text: &str) -> Result<Options, Vec<OptionsError>> {
    let (document, faults) = DeTable::parse_recoverable(text);
    let (mut errors, mut table_there_twice) = (Vec::new(), 0..0);
    for fault in &faults {
        let (message, span) = (fault.message(), fault.span());
        let at = span.as_ref().map_or(0, |span| span.start);
        if message == TWICE && table_there_twice.contains(&at) {
            continue;
        }
        if message == TWICE {
            table_there_twice = table_of_header(text, at);
        }
        errors.push(OptionsError::invalid(message).with_hint(hint(message)).or_span(span.as_ref()));
    }
    let span = document.span();
    let options = table(document.into_inner(), span, &mut errors);
    if errors.is_empty() { Ok(options) } else { Err(errors) }
}

/// What the parser says of a key that was there before.
const TWICE: &str = "duplicate key";

/// The bytes below the table header in whose line this byte stands; none if that is no header. What was said of the
/// header need not be said of each of its keys.
fn table_of_header(text: &str, at: usize) -> Span {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    if !text.get(line..).is_some_and(|line| line.trim_start().starts_with('[')) {
        return at..at;
    }
    at..at + after.find("\n[").unwrap_or(after.len())
}

/// What to do about a fault of the syntax.
fn hint(message: &str) -> &'static str {
    if message == TWICE {
        "a name is there once: a second destination of one type has a name of its own, and says its `type`"
    } else if message.contains("string") || message.contains("quote") {
        "close the text, on the line on which it begins, with the quote that began it"
    } else if message.contains("escape") {
        r"write `\\` for a backslash, or put the text in single quotes"
    } else {
        "write `[table]`, `key = value`, and text in quotes"
    }
}

fn table(table: DeTable<'_>, span: Span, errors: &mut Vec<OptionsError>) -> Options {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(name, value)| Entry {
            key: Key { span: Some(name.span()), name: name.into_inner().into_owned() },
            node: node(value, errors),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key.span.as_ref().map(|span| span.start));
    Options::at(span, entries)
}

fn node(value: Spanned<DeValue<'_>>, errors: &mut Vec<OptionsError>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(DeString::into_owned(text)),
        DeValue::Integer(number) => integer(&number).map_or_else(|| out_of_range(&span, errors), Value::Int),
        DeValue::Float(number) => float(&number).map_or_else(|| out_of_range(&span, errors), Value::Float),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => Value::Array(items.into_iter().map(|item| node(item, errors)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, span.clone(), errors)),
    };
    Node::at(span, value)
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

fn float(number: &DeFloat<'_>) -> Option<f64> {
    let value: f64 = number.as_str().parse().ok()?;
    (!value.is_infinite() || number.as_str().contains("inf")).then_some(value)
}

fn out_of_range(span: &Span, errors: &mut Vec<OptionsError>) -> Value {
    errors.push(OptionsError::invalid("this number is too large").or_span(Some(span)));
    Value::Null
}
