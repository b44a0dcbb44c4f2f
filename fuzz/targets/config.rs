//! Any text in place of a whole configuration: destinations, routes, monitors and all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nethical::Config;
use nethical::config::Format;

fuzz_target!(|input: &[u8]| {
    let Some((format, text)) = input.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let format = if format % 2 == 0 { Format::Toml } else { Format::Json };
    match Config::parse("fuzz", text, format) {
        Ok(config) => {
            let names: Vec<_> = config.destinations().iter().map(|destination| destination.name()).collect();
            let _ = (names, config.routes().len(), config.monitors().len(), config.alert_settings());
            assert!(!format!("{config:?}").is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error says something"),
    }
});
