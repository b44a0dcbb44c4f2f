//! Options from TOML.

use serde_spanned::Spanned;
use toml::de::{DeFloat, DeInteger, DeString, DeTable, DeValue};

use super::{Entry, Key, Node, Options, OptionsError, Span, Value};

pub(super) fn parse(text: &str) -> Result<Options, Vec<OptionsError>> {
    let (document, faults) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = faults
        .iter()
        .map(|fault| OptionsError::invalid(fault.message()).or_span(fault.span().as_ref()))
        .collect();
    let span = document.span();
    let options = table(document.into_inner(), span, &mut errors);
    if errors.is_empty() { Ok(options) } else { Err(errors) }
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
