//! Sizes, ages and times, as people write and read them.

use std::time::Duration;

use nethical::event::Timestamp;

/// Units of time, the longest first.
const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Bytes with a unit, as in `1.5 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const NAMES: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut size, mut name) = (number as f64, "B");
    for larger in NAMES {
        if size < 1_024.0 {
            break;
        }
        (size, name) = (size / 1_024.0, larger);
    }
    if name == "B" { format!("{number} B") } else { format!("{size:.1} {name}") }
}

/// A time span in its two largest units, as in `3h 20m`.
pub(crate) fn span(span: Duration) -> String {
    let mut left = span.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in UNITS.iter().filter(|(unit, _)| *unit != "w") {
        if left >= *seconds {
            parts.push(format!("{}{unit}", left / seconds));
            left %= seconds;
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// How long ago that was; a time to come counts as now.
pub(crate) fn since(at: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default()
}

/// Seconds, at most a week, as an argument of the command.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.0..=604_800.0).contains(&seconds) {
        return Err("must be from 0 to 604800 (a week)".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A point in time as an argument of the command: in RFC 3339, or so long ago, as in `2h` or `1d12h`.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let wrong = || "neither a time such as 2026-01-31T12:00:00Z nor an age such as 90s, 2h or 3d".to_owned();
    let ago = age(text).ok_or_else(wrong)?;
    Timestamp::now().checked_sub(ago).map_err(|_| "that is too long ago".to_owned())
}

fn age(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let (unit, after) = unit.split_at_checked(1)?;
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_readable() {
        assert_eq!([0, 1_023, 1_536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
        let spans = [0, 59, 61, 3_600, 3_661, 90_000, 864_000].map(|secs| span(Duration::from_secs(secs)));
        assert_eq!(spans, ["0s", "59s", "1m 1s", "1h", "1h 1m", "1d 1h", "10d"]);
    }

    #[test]
    fn ages_and_times_are_moments() {
        assert_eq!(age("1d12h"), Some(Duration::from_secs(129_600)));
        assert_eq!(age("90s"), Some(Duration::from_secs(90)));
        for wrong in
            ["", "h", "2", "2x", "-2h", "2 h", "2h3", "99999999999999999999w", "9999999999999999999w"]
        {
            assert_eq!(age(wrong), None, "{wrong}");
        }
        assert_eq!(moment("2026-01-31T12:00:00Z").unwrap().to_string(), "2026-01-31T12:00:00Z");
        assert!((since(moment("2h").unwrap()).as_secs()).abs_diff(7_200) <= 1);
        assert!(moment("999999w").is_err() && moment("yesterday").is_err());
    }
}
