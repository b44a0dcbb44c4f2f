//! What `nethical check` finds out: how far a message would come, and how sure that is.

use std::time::Duration;

use nethical_core::delivery::Error;
use tokio::time::sleep;

use super::choice::Protocol;
use super::config::SyslogConfig;
use super::errors::{self, Target};
use super::link::Link;
use super::wire::{Format, Formatter, Framing};

/// How long a receiver may take to hang up, or to refuse a datagram.
const SECOND_THOUGHTS: Duration = Duration::from_millis(300);

/// Go as far as one can without sending a message.
pub(super) async fn probe(
    config: &SyslogConfig,
    formatter: &Formatter,
    target: &Target,
) -> Result<String, Error> {
    let mut link = Link::open(config, target).await?;
    let written = describe(formatter, link.is_datagram());
    let found = match &mut link {
        Link::Udp(udp) => {
            let address = udp.probe(SECOND_THOUGHTS, target).await?;
            format!(
                "{address} (UDP) refuses nothing, which is all that UDP can tell: whether messages arrive is not \
                 known, with `protocol = \"TCP\"` it would be; {written}"
            )
        }
        Link::UnixDatagram(_) => format!("{target} takes datagrams; {written}"),
        Link::Stream(stream) => {
            sleep(SECOND_THOUGHTS).await;
            stream.check().map_err(|broken| match config.protocol {
                Protocol::Tls => broken.describe("stay connected to", target),
                _ => errors::closed(target),
            })?;
            let peer = stream.peer().map(|peer| peer.to_string()).unwrap_or_else(|| target.shown.clone());
            match stream.tls() {
                None => {
                    format!("connected to {peer} ({}); {written}; {NO_RECEIPTS}", target.protocol.as_str())
                }
                Some(tls) => format!(
                    "connected to {peer} with {}, the certificate is good for `{}`; {written}; {NO_RECEIPTS}",
                    tls.version(),
                    config.server_name.as_deref().unwrap_or(&config.host)
                ),
            }
        }
    };
    link.close().await;
    Ok(found)
}

const NO_RECEIPTS: &str = "the receiver's system confirms bytes, nobody confirms messages";

/// What messages look like, so that it can be compared with what the receiver expects.
fn describe(formatter: &Formatter, is_datagram: bool) -> String {
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
