//! Numbers and texts as the shell gives them.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal};

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::render;

/// `key=text`, each.
pub(super) fn pairs(words: &[OsString]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |word: &OsString| {
        let word = word.to_string_lossy();
        match word.split_once('=') {
            Some((key, text)) if !key.is_empty() => Ok((key.to_owned(), text.to_owned())),
            _ => Err(Failure::usage(format!("`{word}` is no field"), "write `key=value`")),
        }
    };
    words.iter().map(pair).collect()
}

/// `key=number`, each.
pub(super) fn points(words: &[OsString]) -> Result<Vec<(String, f64)>, Failure> {
    let point = |(key, text): (String, String)| match text.parse() {
        Ok(number) => Ok((key, number)),
        Err(_) => Err(Failure::usage(format!("`{text}` is no number"), format!("write `{key}=0.5`"))),
    };
    pairs(words)?.into_iter().map(point).collect()
}

/// The same, as platforms take them.
pub(super) fn borrowed(points: &[(String, f64)]) -> Vec<(&str, f64)> {
    points.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

/// Have `log` told of each line of standard input. What cannot be understood is said, and keeps no other line from it.
pub(super) fn read(log: impl Fn(&[(&str, f64)], Option<i64>) -> Result<(), Failure>) -> Result<(), Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Failure::usage(
            "there are no metrics",
            "write `loss=0.5`, or pipe lines such as {\"step\": 1, \"loss\": 0.5} in",
        ));
    }
    let mut wrong = 0_u64;
    for (index, line) in input.lock().lines().enumerate() {
        let line = line.map_err(|error| Failure::io("read standard input", &error))?;
        if line.trim().is_empty() {
            continue;
        }
        let logged = parse(&line).and_then(|(points, step)| {
            log(&borrowed(&points), step).map_err(|failure| match failure {
                Failure::Message { message, .. } => message,
                _ => "it is not taken".to_owned(),
            })
        });
        if let Err(why) = logged {
            wrong += 1;
            render::warning(&format!("line {}: {why}", index + 1), None);
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let message = format!("{} of standard input logged nothing", render::count(wrong, "line"));
    Err(Failure::Message { exit: crate::exit::Exit::Refused, message, hint: None })
}

type Points = (Vec<(String, f64)>, Option<i64>);

/// A JSON object of numbers.
fn parse(line: &str) -> Result<Points, String> {
    let mut object: Map<String, Value> =
        serde_json::from_str(line).map_err(|_| "it is no JSON object of numbers".to_owned())?;
    let step = match object.shift_remove("step") {
        None | Some(Value::Null) => None,
        Some(step) => Some(step.as_i64().ok_or_else(|| format!("its step {step} is no whole number"))?),
    };
    let number = |(name, value): (String, Value)| {
        let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        number.map(|number| (name.clone(), number)).ok_or_else(|| format!("its `{name}` is no number"))
    };
    Ok((object.into_iter().map(number).collect::<Result<_, _>>()?, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_numbers_and_a_step() {
        let (points, step) = parse(r#"{"loss": 0.5, "step": 3, "acc": 1, "odd": "NaN"}"#).unwrap();
        assert_eq!((points.len(), step), (3, Some(3)));
        assert_eq!(points[1], ("acc".to_owned(), 1.0));
        assert!(points[2].1.is_nan());
        for wrong in ["", "[1]", r#"{"a": "b"}"#, r#"{"a": null}"#, r#"{"a": 1, "step": 0.5}"#] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_are_names_with_numbers() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(points(&words("a=1e-3 b=-2")).unwrap(), [("a".to_owned(), 0.001), ("b".to_owned(), -2.0)]);
        assert!(points(&words("a=inf")).unwrap()[0].1.is_infinite());
        assert!(
            points(&words("a=x")).is_err() && points(&words("a")).is_err() && pairs(&words("=x")).is_err()
        );
    }
}
