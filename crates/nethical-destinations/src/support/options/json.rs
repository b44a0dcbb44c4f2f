//! Options from JSON.

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Range;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Entry, Key, Node, Options, OptionsError, Span, Value};

/// Strict, but for what people want to write into a configuration.
const TAKEN: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse(text: &str) -> Result<Options, Vec<OptionsError>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &TAKEN).map_err(|fault| {
        let message = lower_first(&fault.kind().to_string());
        let error = OptionsError::invalid(message).or_span(Some(&span(fault.range())));
        vec![error.with_hint("see whether every `{`, `[` and `\"` is closed, and whether a comma is missing")]
    })?;
    let mut errors = Vec::new();
    let options = match parsed.value {
        Some(Ast::Object(object)) => table(object, &mut errors),
        other => {
            let at = other.map_or(0..text.len(), |value| span(jsonc_parser::common::Ranged::range(&value)));
            errors.push(OptionsError::invalid("expected an object: `{ ... }`").or_span(Some(&at)));
            Options::new()
        }
    };
    if errors.is_empty() { Ok(options) } else { Err(errors) }
}

const fn span(range: Range) -> Span {
    range.start..range.end
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn table(object: Object<'_>, errors: &mut Vec<OptionsError>) -> Options {
    let mut entries: Vec<Entry> = Vec::new();
    for property in object.properties {
        let at = span(jsonc_parser::common::Ranged::range(&property.name));
        let name = property.name.into_string();
        if entries.iter().any(|entry| entry.key.name == name) {
            errors.push(OptionsError::invalid(format!("`{name}` is there twice")).or_span(Some(&at)));
            continue;
        }
        let node = node(property.value, errors);
        entries.push(Entry { key: Key { name, span: Some(at) }, node });
    }
    Options::at(span(object.range), entries)
}

fn node(value: Ast<'_>, errors: &mut Vec<OptionsError>) -> Node {
    let at = span(jsonc_parser::common::Ranged::range(&value));
    let value = match value {
        Ast::NullKeyword(_) => Value::Null,
        Ast::BooleanLit(literal) => Value::Bool(literal.value),
        Ast::StringLit(literal) => Value::String(literal.value.into_owned()),
        Ast::NumberLit(literal) => number(literal.value, &at, errors),
        Ast::Array(array) => {
            Value::Array(array.elements.into_iter().map(|element| node(element, errors)).collect())
        }
        Ast::Object(object) => Value::Table(table(object, errors)),
    };
    Node::at(at, value)
}

fn number(text: &str, at: &Span, errors: &mut Vec<OptionsError>) -> Value {
    if let Ok(value) = text.parse() {
        return Value::Int(value);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Value::Float(value),
        _ => {
            errors.push(OptionsError::invalid("this number is too large").or_span(Some(at)));
            Value::Null
        }
    }
}
