//! What `nethical check` finds out: how far a message would come, and how sure that is.
//!
//! No message is sent. A stream gets some empty lines, which no receiver takes for a message, to see whether it
//! takes lines, counts, TLS or is no syslog receiver at all. Where nobody listens, the usual other places are tried.

mod elsewhere;
mod lines;
mod notes;

use std::time::Duration;

use nethical_core::delivery::Error;
use tokio::time::sleep;

use self::lines::Reaction;
use super::choice::Protocol;
use super::config::SyslogConfig;
use super::errors::{self, Target};
use super::link::Link;
use super::stream::Stream;
use super::wire::{Formatter, Framing};

/// How long a receiver may take to hang up, or to refuse a datagram.
const SECOND_THOUGHTS: Duration = Duration::from_millis(300);

/// Go as far as one can without sending a message. The first line says what was reached, the others what to know
/// about it.
pub(super) async fn probe(
    config: &SyslogConfig,
    formatter: &Formatter,
    target: &Target,
) -> Result<String, Error> {
    let mut link = match Link::open(config, false, target).await {
        Ok(link) => link,
        Err(error) => return Err(elsewhere::hint(config, error).await),
    };
    let written = notes::describe(formatter, link.is_datagram());
    let mut found = match &mut link {
        Link::Udp(udp) => match udp.probe(SECOND_THOUGHTS, target).await {
            Ok(address) => vec![format!("{address} (UDP) refuses nothing; {written}"), notes::UDP.to_owned()],
            Err(error) => return Err(elsewhere::hint(config, error).await),
        },
        Link::UnixDatagram(_) => vec![format!("{target} takes datagrams; {written}")],
        Link::Stream(stream) => reached(config, stream, formatter.framing, target, &written).await?,
    };
    link.close().await;
    found.extend(notes::about(config, formatter));
    Ok(found.join("\n"))
}

/// What can be said of a connection.
async fn reached(
    config: &SyslogConfig,
    stream: &mut Stream,
    framing: Framing,
    target: &Target,
    written: &str,
) -> Result<Vec<String>, Error> {
    sleep(SECOND_THOUGHTS).await;
    let heard = stream.check().map_err(|broken| match config.protocol {
        Protocol::Tls => broken.describe("stay connected to", target),
        _ => errors::closed_at_once(target),
    })?;
    let peer = stream.peer().map(|peer| peer.to_string()).unwrap_or_else(|| target.shown.clone());
    let mut found = match stream.tls() {
        Some(tls) => vec![format!(
            "connected to {peer} with {}, the certificate is good for `{}`; {written}",
            tls.version(),
            config.server_name.as_deref().unwrap_or(&config.host)
        )],
        None => vec![format!("connected to {peer} ({}); {written}", target.protocol.as_str())],
    };
    if config.protocol == Protocol::Tcp {
        let reaction = if heard > 0 { Reaction::Talks } else { lines::reaction(stream).await };
        found.push(lines::judge(reaction, framing, config, target).await?.to_owned());
    }
    found.push(notes::NO_RECEIPTS.to_owned());
    Ok(found)
}
