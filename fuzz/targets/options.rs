//! Any text in place of a configuration, as TOML and as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nethical_destinations::jsonl::JsonlConfig;
use nethical_destinations::support::options::{Options, OptionsError};

fn show(text: &str, error: &OptionsError) {
    let _ = (error.to_string(), error.path().len(), error.hint());
    if let Some(span) = error.span() {
        assert!(text.get(span).is_some(), "an error points at the text");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((format, text)) = input.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let parsed = if format % 2 == 0 { Options::from_toml(text) } else { Options::from_json(text) };
    match parsed {
        Ok(options) => {
            if let Err(error) = options.read::<JsonlConfig>() {
                show(text, &error);
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            errors.iter().for_each(|error| show(text, error));
        }
    }
});
