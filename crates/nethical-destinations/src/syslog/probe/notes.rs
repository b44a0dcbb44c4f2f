//! What is worth knowing about a receiver that was reached, and cannot be seen from here.

use super::super::choice::Protocol;
use super::super::config::SyslogConfig;
use super::super::wire::{Format, Formatter, Framing};

pub(super) const UDP: &str = "that is all that UDP can tell: whether messages arrive is not known, with `protocol = \
     \"TCP\"` it would be";

pub(super) const NO_RECEIPTS: &str = "the receiver's system confirms bytes, nobody confirms messages";

/// What messages look like, so that it can be compared with what the receiver expects.
pub(super) fn describe(formatter: &Formatter, is_datagram: bool) -> String {
    let format = match formatter.format {
        Format::Rfc5424 => "RFC 5424",
        Format::Rfc3164 => "RFC 3164",
        Format::Rfc3164Iso => "RFC 3164 with an RFC 3339 timestamp",
    };
    let framing = match formatter.framing {
        _ if is_datagram => "",
        Framing::Octet => ", counted (`octet`)",
        Framing::Lf => ", a line each (`lf`)",
        Framing::Datagram => "",
    };
    format!("messages are {format}{framing}")
}

/// Mistakes that no answer would show.
pub(super) fn about(config: &SyslogConfig, formatter: &Formatter) -> Vec<String> {
    let mut notes = Vec::new();
    if formatter.format == Format::Rfc5424 && formatter.framing != Framing::Octet {
        notes.push(
            "rsyslog knows RFC 5424 by itself; in syslog-ng `network()` needs `flags(syslog-protocol)` for it"
                .to_owned(),
        );
    }
    if config.protocol == Protocol::Unix
        && std::fs::canonicalize(config.path()).is_ok_and(|path| path.starts_with("/run/systemd/journal"))
    {
        notes.push(
            "this is systemd-journald: look with `journalctl`; a syslog daemon gets them only with \
             `ForwardToSyslog=yes`, or if it reads the journal (rsyslog: `imjournal`)"
                .to_owned(),
        );
    }
    // rsyslog's `maxMessageSize` is 8 KiB, syslog-ng's `log-msg-size()` 64 KiB.
    if let Some(size) = config.max_size.filter(|&size| size > 8_192) {
        notes.push(format!(
            "messages of up to {size} bytes: rsyslog cuts at 8192 unless `maxMessageSize` says more, syslog-ng hangs up \
             over `log-msg-size()`, usually 65536"
        ));
    }
    if config.protocol == Protocol::Udp && config.datagrams_per_second == 0 {
        notes.push(
            "datagrams are not paced: a burst overflows the receiver's buffer (`datagrams_per_second`)"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::options::Options;

    fn notes(text: &str) -> String {
        let config: SyslogConfig = Options::from_toml(text).unwrap().read().unwrap();
        about(&config, &config.formatter()).join("\n")
    }

    #[test]
    fn what_a_receiver_may_not_be_ready_for_is_said() {
        assert_eq!(notes("protocol = 'TCP'"), "");
        assert!(notes("protocol = 'TCP'\nport = 1514").contains("flags(syslog-protocol)"));
        assert!(notes("max_size = 60_000").contains("maxMessageSize"));
        assert!(notes("datagrams_per_second = 0").contains("not paced"));
        assert_eq!(notes("protocol = 'TLS'"), "");
    }
}
