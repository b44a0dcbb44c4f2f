//! Reading tables so that all of their faults come to light, not only the first.

use nethical_destinations::support::options::{Options, OptionsError};
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;

use super::{Document, Environment};

/// What is being read, and what is wrong with it so far.
#[derive(Debug)]
pub(super) struct Context<'a> {
    document: &'a Document,
    environment: &'a Environment<'a>,
    errors: Vec<OptionsError>,
}

impl<'a> Context<'a> {
    pub(super) const fn new(document: &'a Document, environment: &'a Environment<'a>) -> Self {
        Self { document, environment, errors: Vec::new() }
    }

    pub(super) fn fail(&mut self, error: OptionsError) {
        self.errors.push(error);
    }

    /// Note errors of the table that stands at `path`.
    pub(super) fn fail_all(&mut self, errors: Vec<OptionsError>, path: &[&str]) {
        for error in errors {
            self.fail(path.iter().rev().fold(error, |error, key| error.within_key(key)));
        }
    }

    /// Put variables into the table that stands at `path`; values that lack theirs are taken out.
    pub(super) fn expand(&mut self, options: &mut Options, path: &[&str]) {
        let errors = self.environment.expand(options, &self.document.text);
        for key in errors.iter().filter_map(OptionsError::first_key) {
            options.take(key);
        }
        self.fail_all(errors, path);
    }

    pub(super) fn failures(&self) -> usize {
        self.errors.len()
    }

    pub(super) fn into_errors(self) -> Vec<OptionsError> {
        self.errors
    }
}

/// Read the table that stands at `path`.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(
    mut options: Options,
    path: &[&str],
    context: &mut Context<'_>,
) -> Option<T> {
    let keys: Vec<_> = options.entries().iter().map(|entry| entry.key.name.clone()).collect();
    context.expand(&mut options, path);
    let schema = schema_for!(T);
    let read = |options: &Options| options.check_ranges(&schema).and_then(|()| options.read::<T>());
    match read_through(&options, &keys, read) {
        Ok(value) => Some(value),
        Err(errors) => {
            context.fail_all(errors, path);
            None
        }
    }
}

/// Read, and when a key is at fault note that and read again without it. `written` are the keys that
/// the table had at first: one that is missing only because it was at fault, or because its name is
/// misspelt, is no second fault.
pub(super) fn read_through<T>(
    options: &Options,
    written: &[String],
    read: impl Fn(&Options) -> Result<T, OptionsError>,
) -> Result<T, Vec<OptionsError>> {
    let (mut left, mut errors) = (options.clone(), Vec::<OptionsError>::new());
    loop {
        let error = match read(&left) {
            Ok(value) if errors.is_empty() => return Ok(value),
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        let key = error.first_key().map(str::to_owned);
        let removed = key.as_deref().is_some_and(|key| left.take(key).is_some());
        let follows = error.is_missing()
            && key.is_some_and(|key| {
                written.contains(&key) || errors.iter().any(|error| error.suggestion() == Some(&*key))
            });
        if !follows {
            errors.push(error);
        }
        if !removed {
            return Err(errors);
        }
    }
}
