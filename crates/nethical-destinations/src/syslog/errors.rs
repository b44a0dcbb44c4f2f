//! What the network and the receiver say, and what it means for the events.
//!
//! Syslog has no answers: a receiver that does not like a message says nothing, or hangs up. So nearly
//! everything here is a fault of the way, and events are held. Only a message that the system itself
//! will not send is refused.

use std::fmt::Display;
use std::io;

use nethical_core::delivery::{Error, Kind};
use rustix::io::Errno;
use rustls::{AlertDescription, CertificateError};

use super::choice::Protocol;
use super::config::{Fault, SyslogConfig};

/// Where messages go, for people.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) protocol: Protocol,
    /// `127.0.0.1:514`, `logs.example:6514`, `/dev/log`.
    pub(super) shown: String,
    /// Whether it is on this machine.
    pub(super) is_here: bool,
}

impl Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.shown, self.protocol.as_str())
    }
}

impl Target {
    /// The one that the options name.
    pub(super) fn new(config: &SyslogConfig) -> Self {
        let (host, port) = (config.host.trim(), config.port());
        let (shown, is_here) = match config.protocol {
            Protocol::Unix => (config.path().display().to_string(), true),
            _ if host.contains(':') => (format!("[{host}]:{port}"), host == "::1"),
            _ => (format!("{host}:{port}"), host == "localhost" || host.starts_with("127.")),
        };
        Self { protocol: config.protocol, shown, is_here }
    }
}

/// Sort a failure to `action` (`"connect to"`, `"send to"`, ...).
pub(super) fn classify(action: &str, target: &Target, error: &io::Error) -> Error {
    let (kind, code, hint) = match error.raw_os_error().map(Errno::from_raw_os_error) {
        // "Connection refused.": nobody listens; for UDP a message of ICMP said so.
        Some(Errno::CONNREFUSED) => (Kind::Unavailable, "syslog.refused", not_listening(target)),
        // "No such file or directory.": no socket at this path.
        Some(Errno::NOENT) => (Kind::Unavailable, "syslog.not_running", not_listening(target)),
        // "Connection reset by peer." "Broken pipe." "Software caused connection abort."
        Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED | Errno::NOTCONN) => {
            (Kind::Unavailable, "syslog.reset", why_closed(target))
        }
        // "Connection timed out.": no answer at all, or nothing acknowledged for too long.
        Some(Errno::TIMEDOUT) => (Kind::Unavailable, "syslog.timeout", filtered(target)),
        // "Network is unreachable." "No route to host." "Host is down."
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NETDOWN) => (
            Kind::Unavailable,
            "syslog.unreachable",
            "see whether this machine has a route there (`ip route get ADDRESS`), or a firewall rejects it"
                .to_owned(),
        ),
        // "Permission denied." "Operation not permitted.": rights on a socket, or a rule of a local firewall.
        Some(Errno::ACCESS | Errno::PERM) if target.protocol == Protocol::Unix => {
            (Kind::Unauthorized, "syslog.not_permitted", "let this user write to the socket".to_owned())
        }
        Some(Errno::ACCESS | Errno::PERM) => (
            Kind::Unavailable,
            "syslog.firewall",
            "a firewall of this machine forbids it (`nft list ruleset`)".to_owned(),
        ),
        // "Message too long.": larger than a datagram can be.
        Some(Errno::MSGSIZE) => (
            Kind::Refused,
            "syslog.too_long",
            "lower `max_size`, or use a stream: `protocol = \"TCP\"`".to_owned(),
        ),
        // "Too many open files."
        Some(Errno::MFILE | Errno::NFILE) => (
            Kind::Unavailable,
            "syslog.too_many_open_files",
            "raise the limit on open files (`ulimit -n`)".to_owned(),
        ),
        _ => (Kind::Unavailable, "syslog.io", "see the network and the receiver".to_owned()),
    };
    Error::new(kind, code, format!("cannot {action} {target}: {error}")).with_hint(hint)
}

/// What to do where nobody listens.
fn not_listening(target: &Target) -> String {
    let module = if target.protocol == Protocol::Udp { "imudp" } else { "imtcp" };
    let port = target.shown.rsplit(':').next().unwrap_or("514");
    match target.protocol {
        Protocol::Unix => {
            "start the syslog daemon (`systemctl start rsyslog`), or set `path` to its socket".to_owned()
        }
        Protocol::Tls => {
            "start the receiver, or see whether it takes TLS on this port, usually 6514".to_owned()
        }
        _ if target.is_here => format!(
            "no syslog daemon listens there: start one, and let it take messages from the network (rsyslog: \
             `module(load=\"{module}\")` and `input(type=\"{module}\" port=\"{port}\")`), or use `protocol = \"UNIX\"`"
        ),
        _ => format!(
            "start the receiver there, and see whether it listens on this port and not only on its loopback \
             interface (rsyslog: `input(type=\"{module}\" ...)`)"
        ),
    }
}

fn why_closed(target: &Target) -> String {
    match target.protocol {
        Protocol::Tls => "the receiver restarted, or refuses us: see its log".to_owned(),
        _ => "the receiver restarted, or did not like the framing: syslog-ng's `syslog()` wants `framing = \
              \"octet\"`, its `network()` wants \"lf\", and both take no message longer than `log-msg-size()`"
            .to_owned(),
    }
}

fn filtered(target: &Target) -> String {
    match target.protocol {
        Protocol::Unix => "the daemon has stopped reading: see its log".to_owned(),
        _ => "no answer at all: a firewall on the way drops packets, the address is wrong, or the receiver hangs"
            .to_owned(),
    }
}

/// Nothing happened for too long.
pub(super) fn timeout(action: &str, target: &Target, seconds: u64) -> Error {
    let message = format!("cannot {action} {target}: nothing happened for {seconds} s");
    Error::unavailable("syslog.timeout", message).with_hint(filtered(target))
}

/// The receiver hung up.
pub(super) fn closed(target: &Target) -> Error {
    Error::unavailable("syslog.closed", format!("{target} closed the connection"))
        .with_hint(why_closed(target))
}

/// The receiver hung up before anything was sent.
pub(super) fn closed_at_once(target: &Target) -> Error {
    Error::unavailable("syslog.closed", format!("{target} takes a connection and closes it at once")).with_hint(
        "the receiver allows no connections from here, or no more of them: see its log, rsyslog's `$AllowedSender` and \
         `MaxSessions`, syslog-ng's `max-connections()` (usually 10), and whether it is a syslog receiver at all",
    )
}

/// The receiver hangs up on lines.
pub(super) fn wants_counts(target: &Target) -> Error {
    let message = format!("{target} takes a connection, and hangs up when it gets a line");
    Error::config("syslog.framing", message).with_hint(
        "it wants counted messages, as syslog-ng's `syslog()` does: set `framing = \"octet\"`; if that is no help it \
         is no syslog receiver (RELP, which rsyslog's `imrelp` speaks, is another protocol)",
    )
}

/// There is TLS where none is configured.
pub(super) fn wants_tls(target: &Target) -> Error {
    Error::config("syslog.tls_only", format!("{target} speaks only TLS")).with_hint(
        "set `protocol = \"TLS\"`, with `ca_file` if its certificate is from an authority of your own",
    )
}

/// Somebody talks to us.
pub(super) fn talks(target: &Target) -> Error {
    Error::config("syslog.not_syslog", format!("{target} answers, which no syslog receiver does"))
        .with_hint("another service listens on this port: see `port`, usually 514, 601 or 6514")
}

/// See [`no_tls`].
pub(super) const TLS_PLAIN: &str = "syslog.tls_plain";

/// The receiver makes nothing of TLS. It is held as if it were down, since it may just be on its way down.
pub(super) fn no_tls(target: &Target, what: &str) -> Error {
    Error::unavailable(TLS_PLAIN, format!("cannot speak TLS with {target}: it {what}")).with_hint(NO_TLS)
}

const NO_TLS: &str =
    "the receiver does not speak TLS on this port: use its TLS port, usually 6514, or `protocol = \"TCP\"`";

/// The receiver hung up in the handshake or right after it. rsyslog does so, without a word, when it wants a
/// certificate of ours and gets none, or one that it does not trust.
pub(super) fn closed_after_handshake(target: &Target) -> Error {
    let message = format!("{target} closed the connection right after the TLS handshake");
    Error::new(Kind::Unauthorized, "syslog.tls_hung_up", message).with_hint(
        "the receiver probably asks for a certificate that it trusts (`client_cert`, `client_key`): see its log",
    )
}

/// The name of the receiver leads nowhere.
pub(super) fn unresolved(host: &str, error: &dyn Display) -> Error {
    Error::unavailable("syslog.dns", format!("cannot find the address of {host}: {error}"))
        .with_hint("see whether `host` is right and the name service works (`getent hosts NAME`)")
}

/// The bytes of an event are not a log entry's.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    Error::refused("syslog.unreadable", format!("the event is damaged: {error}"))
        .with_hint("see whether the disk of the spool is sound")
}

/// Options that do not go together.
pub(super) fn config(fault: &Fault) -> Error {
    Error::config("syslog.config", fault.message.clone()).with_hint(fault.hint.clone())
}

/// A file of certificates or keys is of no use.
pub(super) fn bad_file(option: &str, path: &std::path::Path, error: &dyn Display) -> Error {
    Error::config("syslog.tls_file", format!("cannot use {option} {}: {error}", path.display())).with_hint(
        "a file in PEM is needed, with `-----BEGIN CERTIFICATE-----` or `-----BEGIN PRIVATE KEY-----`",
    )
}

/// Certificates or names that rustls will not take.
pub(super) fn bad_tls(what: &str, error: &dyn Display) -> Error {
    Error::config("syslog.tls_config", format!("{what}: {error}"))
        .with_hint("see `server_name`, `ca_file`, `client_cert` and `client_key`")
}

/// Sort what TLS says.
pub(super) fn tls(target: &Target, error: &rustls::Error) -> Error {
    let message = format!("cannot speak TLS with {target}: {error}");
    let (kind, code, hint) = match error {
        // RFC 8446, section 6.2: "sent by servers when a client certificate is desired but none was provided".
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => (
            Kind::Unauthorized,
            "syslog.tls_client_certificate",
            "the receiver asks for a certificate of ours: set `client_cert` and `client_key`",
        ),
        // "a valid certificate chain [...] was received, but the certificate was not accepted because the CA
        // certificate could not be located"; "a certificate was corrupt"; "revoked"; "expired"; "unable to
        // correctly verify a signature".
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => (
            Kind::Unauthorized,
            "syslog.tls_client_certificate",
            "the receiver does not accept `client_cert`: it must come from an authority that the receiver trusts",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            Kind::Config,
            "syslog.tls_name",
            "set `server_name` to a name in the certificate (its subjectAltName; the common name does not count)",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => (
            Kind::Unavailable,
            "syslog.tls_expired",
            "renew the receiver's certificate, and see whether the clock of this machine is right",
        ),
        rustls::Error::InvalidCertificate(_) => (
            Kind::Config,
            "syslog.tls_untrusted",
            "set `ca_file` to the certificate of the authority that signed the receiver's",
        ),
        rustls::Error::InvalidMessage(_) => (Kind::Config, TLS_PLAIN, NO_TLS),
        _ => (
            Kind::Unavailable,
            "syslog.tls",
            "see the receiver's log: it may allow only other versions of TLS or other ciphers",
        ),
    };
    Error::new(kind, code, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(protocol: Protocol) -> Target {
        Target::new(&SyslogConfig::new("localhost", protocol))
    }

    #[test]
    fn the_way_is_at_fault_and_only_a_size_is_refused() {
        let sorted = |protocol, errno: Errno| {
            let error = classify("connect to", &target(protocol), &errno.into());
            assert!(error.hint().is_some());
            (error.kind(), error.code())
        };
        assert_eq!(sorted(Protocol::Tcp, Errno::CONNREFUSED), (Kind::Unavailable, "syslog.refused"));
        assert_eq!(sorted(Protocol::Unix, Errno::NOENT), (Kind::Unavailable, "syslog.not_running"));
        assert_eq!(sorted(Protocol::Unix, Errno::ACCESS), (Kind::Unauthorized, "syslog.not_permitted"));
        assert_eq!(sorted(Protocol::Udp, Errno::PERM), (Kind::Unavailable, "syslog.firewall"));
        assert_eq!(sorted(Protocol::Udp, Errno::MSGSIZE), (Kind::Refused, "syslog.too_long"));
        assert_eq!(sorted(Protocol::Tls, Errno::TIMEDOUT), (Kind::Unavailable, "syslog.timeout"));
    }

    #[test]
    fn hints_fit_the_protocol() {
        let hint = |protocol| {
            let error = classify("connect to", &target(protocol), &Errno::CONNREFUSED.into());
            error.hint().unwrap_or_default().to_owned()
        };
        assert!(hint(Protocol::Udp).contains("imudp") && hint(Protocol::Tcp).contains("imtcp"));
        assert!(hint(Protocol::Tcp).contains(r#"input(type="imtcp" port="514")"#));
        assert!(hint(Protocol::Unix).contains("systemctl"));
        let shown = classify("send to", &target(Protocol::Udp), &Errno::CONNREFUSED.into()).to_string();
        assert!(shown.starts_with("cannot send to localhost:514 (UDP): Connection refused"), "{shown}");
    }

    #[test]
    fn alerts_tell_what_is_missing() {
        let sorted = |error: rustls::Error| {
            let error = tls(&target(Protocol::Tls), &error);
            (error.kind(), error.code())
        };
        assert_eq!(
            sorted(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)),
            (Kind::Unauthorized, "syslog.tls_client_certificate")
        );
        assert_eq!(
            sorted(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            (Kind::Config, "syslog.tls_untrusted")
        );
        assert_eq!(
            sorted(rustls::Error::InvalidCertificate(CertificateError::NotValidForName)),
            (Kind::Config, "syslog.tls_name")
        );
    }
}
