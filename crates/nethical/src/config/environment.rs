//! `${NAME}` in a text stands for a variable of the environment, `${NAME:-text}` for that or the
//! text if it is not set or empty, and `$${` for the characters `${`.

use std::fmt;

use nethical_destinations::support::options::{Node, Options, OptionsError, Span, Value};

/// Where variables come from.
pub(super) struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl<'a> Environment<'a> {
    pub(super) fn of_process() -> Self {
        Self(&|name| std::env::var(name).ok())
    }

    #[cfg(test)]
    pub(super) const fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(variable)
    }

    /// Put variables into every text of a table. Returns what could not be.
    pub(super) fn expand(&self, options: &mut Options, document: &str) -> Vec<OptionsError> {
        let expanded = options.entries_mut().iter_mut().flat_map(|entry| {
            let errors = self.expand_node(&mut entry.node, document);
            errors.into_iter().map(|error| error.within_key(&entry.key.name)).collect::<Vec<_>>()
        });
        expanded.collect()
    }

    fn expand_node(&self, node: &mut Node, document: &str) -> Vec<OptionsError> {
        match &mut node.value {
            Value::Table(table) => self.expand(table, document),
            Value::Array(items) => {
                let expanded = items.iter_mut().enumerate().flat_map(|(index, item)| {
                    let errors = self.expand_node(item, document);
                    errors.into_iter().map(move |error| error.within_item(index))
                });
                expanded.collect()
            }
            Value::String(text) if text.contains("${") => {
                match self.expand_text(text) {
                    Ok((expanded, from_environment)) => {
                        *text = expanded;
                        node.from_environment = from_environment;
                        Vec::new()
                    }
                    Err((nth, error)) => {
                        vec![error.or_span(
                            node.span.as_ref().map(|span| nth_variable(document, span, nth)).as_ref(),
                        )]
                    }
                }
            }
            _ => Vec::new(),
        }
    }

    /// The text with its variables, and whether it had any. Otherwise: which `${` failed, and why.
    fn expand_text(&self, text: &str) -> Result<(String, bool), (usize, OptionsError)> {
        let (mut out, mut rest, mut used) = (String::with_capacity(text.len()), text, false);
        for nth in 0.. {
            let Some((before, after)) = rest.split_once("${") else { break };
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let (variable, after) = after.split_once('}').ok_or_else(|| (nth, unclosed()))?;
            out.push_str(&self.value(variable).map_err(|error| (nth, error))?);
            used = true;
            rest = after;
        }
        out.push_str(rest);
        Ok((out, used))
    }

    fn value(&self, variable: &str) -> Result<String, OptionsError> {
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        if !is_name(name) {
            let error = OptionsError::invalid(format!("`{name}` is no name of a variable"));
            return Err(error.with_hint("write `${NAME}` for a variable, `$${` for the characters `${`"));
        }
        match (self.0(name), default) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(OptionsError::invalid(format!("the environment has no variable {name}"))
                .with_hint(format!("set {name}, or give a default: `${{{name}:-...}}`"))),
        }
    }
}

fn unclosed() -> OptionsError {
    OptionsError::invalid("`${` is not closed").with_hint("write `$${` for the characters `${`")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The bytes of the `nth` variable of the text that stands at `span`; those of the text if it is
/// written in a way in which that cannot be seen.
fn nth_variable(document: &str, span: &Span, nth: usize) -> Span {
    let find = || {
        let written = document.get(span.clone())?;
        let (at, _) = written.match_indices("${").nth(nth)?;
        let length = written.get(at..)?.find('}').map_or(2, |end| end + 1);
        Some(span.start + at..span.start + at + length)
    };
    find().unwrap_or_else(|| span.clone())
}
