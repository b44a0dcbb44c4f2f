//! How the command speaks: data on standard output, everything else on standard error; what failed
//! and where in lower case, then a hint.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use nethical::ConfigError;
use nethical::delivery::{Error, Notice};
use serde_json::{Value, json};

use crate::failure::Failure;

/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What somebody should know.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// A word in a style that is only seen on a terminal.
pub(crate) fn styled(style: Style, word: &str) -> String {
    format!("{style}{word}{style:#}")
}

/// A line on standard error. That nobody reads it is no fault.
pub(crate) fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Why the command failed; what is wrong with a configuration as JSON if asked for, on standard output.
pub(crate) fn failure(failure: &Failure, json: bool) {
    match failure {
        Failure::Config(error) if json => drop(writeln!(anstream::stdout(), "{:#}", problems(error))),
        Failure::Config(error) => say(&error.render(true)),
        Failure::Message { message, hint, .. } => error(message, hint.as_deref()),
        Failure::BrokenPipe => {}
    }
}

/// A configuration that cannot be read, as JSON.
pub(crate) fn problems(error: &ConfigError) -> Value {
    let problem = |problem| {
        let position = error.position(problem);
        json!({
            "message": problem.message,
            "hint": problem.hint,
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
        })
    };
    let problems: Vec<_> = error.problems().iter().map(problem).collect();
    json!({ "config": error.name(), "ok": false, "problems": problems, "destinations": [] })
}

/// Something failed.
pub(crate) fn error(message: &str, hint: Option<&str>) {
    say(&format!("{}: {message}", styled(BAD, "error")));
    if let Some(hint) = hint {
        say(&format!("\n{}: {hint}", styled(HINT, "hint")));
    }
}

/// A destination failed.
pub(crate) fn destination_error(name: &str, failed: &Error) {
    error(&format!("`{name}`: {failed}"), failed.hint());
}

/// Something that people should know, on one line.
pub(crate) fn warning(message: &str, hint: Option<&str>) {
    let hint = hint.map(|hint| format!("; {}: {hint}", styled(HINT, "hint"))).unwrap_or_default();
    say(&format!("{}: {message}{hint}", styled(WARNING, "warning")));
}

/// A destination's state has changed.
pub(crate) fn notice(notice: &Notice) {
    warning(&notice.to_string(), notice.hint());
}

/// A number with its thousands marked, as in `1,000,000`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 line`, `2 lines`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(0, "line"), "0 lines");
        assert_eq!(count(1, "line"), "1 line");
        assert_eq!(count(999, "line"), "999 lines");
        assert_eq!(count(1_000, "line"), "1,000 lines");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
