//! The name of the log stream, which may depend on the day.

use nethical_core::event::Timestamp;

const DAY_MS: i64 = 86_400_000;
const MOST: usize = 512;

/// A name with `{host}` and `{pid}` filled in.
///
/// The day is that of the entry, not of its delivery: a repeat goes where the first attempt went.
#[derive(Debug, Clone)]
pub(super) struct StreamName {
    /// Before, between and after each `{date}`.
    parts: Vec<String>,
}

impl StreamName {
    /// Whether this is a name, and if not, why.
    pub(super) fn check(template: &str) -> Result<(), String> {
        let plain = ["{date}", "{host}", "{pid}"]
            .iter()
            .fold(template.to_owned(), |text, mark| text.replace(mark, ""));
        if template.is_empty() {
            return Err("it is empty".to_owned());
        }
        if let Some(wrong) = plain.chars().find(|c| [':', '*', '{', '}'].contains(c)) {
            return Err(format!("it has a `{wrong}`"));
        }
        if template.chars().count() > MOST {
            return Err(format!("it is longer than {MOST} characters"));
        }
        Ok(())
    }

    /// Fill in what stays the same.
    pub(super) fn new(template: &str, host: &str, pid: u32) -> Self {
        let host = host.replace([':', '*'], "-");
        let filled = template.replace("{host}", &host).replace("{pid}", &pid.to_string());
        Self { parts: filled.split("{date}").map(str::to_owned).collect() }
    }

    /// What tells the streams of two times apart: equal keys, equal streams.
    pub(super) fn key(&self, ms: i64) -> i64 {
        if self.parts.len() > 1 { ms.div_euclid(DAY_MS) } else { 0 }
    }

    /// The stream of an entry of this time, in milliseconds since 1970.
    pub(super) fn at(&self, ms: i64) -> String {
        let day = Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
        let day = day.split('T').next().unwrap_or_default();
        self.parts.join(day).chars().take(MOST).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_filled_in() {
        let name = StreamName::new("{host}/{date}/{pid}", "train:7", 42);
        assert_eq!(name.at(1_772_323_199_999), "train-7/2026-02-28/42");
        assert_eq!(name.at(1_772_323_200_000), "train-7/2026-03-01/42");
        assert_ne!(name.key(1_772_323_199_999), name.key(1_772_323_200_000));
        assert_eq!(StreamName::new("plain", "h", 1).key(0), StreamName::new("plain", "h", 1).key(DAY_MS));
    }

    #[test]
    fn unknown_marks_and_wrong_characters_are_no_names() {
        for wrong in ["", "a:b", "a*", "{day}", "{date", &"x".repeat(513)] {
            assert!(StreamName::check(wrong).is_err(), "{wrong}");
        }
        assert!(StreamName::check("prod {date} é").is_ok());
    }
}
