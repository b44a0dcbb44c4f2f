//! What a receiver makes of empty lines, which none takes for a message: those that take lines stay, those that
//! want a count or TLS hang up.

use std::time::Duration;

use nethical_core::delivery::{Error, Kind};
use tokio::time::timeout;

use super::super::choice::Protocol;
use super::super::config::SyslogConfig;
use super::super::errors::{self, Target};
use super::super::stream::Stream;
use super::super::tls::Tls;
use super::super::wire::Framing;

/// As many as the head of a TLS record has bytes: with fewer a TLS server waits for more.
const LINES: &[u8] = b"\n\n\n\n\n";

/// How long a receiver may take to hang up on them.
const PATIENCE: Duration = Duration::from_secs(1);

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing.
    Stays,
    HangsUp,
    /// It said something, which a syslog receiver never does.
    Talks,
}

/// Send them, and see.
pub(super) async fn reaction(stream: &mut Stream) -> Reaction {
    if stream.put(LINES).await.is_err() {
        return Reaction::HangsUp;
    }
    let heard = timeout(PATIENCE, async {
        loop {
            stream.readable().await?;
            let heard = stream.check()?;
            if heard > 0 {
                return Ok::<_, super::super::stream::Broken>(heard);
            }
        }
    });
    match heard.await {
        Err(_) => Reaction::Stays,
        Ok(Ok(_)) => Reaction::Talks,
        Ok(Err(_)) => Reaction::HangsUp,
    }
}

/// What that means for messages with this framing. Says what is known, and what is not.
pub(super) async fn judge(
    reaction: Reaction,
    framing: Framing,
    config: &SyslogConfig,
    target: &Target,
) -> Result<&'static str, Error> {
    let counted = framing == Framing::Octet;
    match reaction {
        Reaction::Stays if counted => {
            Ok("it takes lines as well: rsyslog finds out by itself, but syslog-ng's `network()` \
             does not count; if messages arrive with a number before them, set `framing = \"lf\"`")
        }
        Reaction::Stays => Ok("it takes lines"),
        _ if speaks_tls(config, target).await => Err(errors::wants_tls(target)),
        Reaction::Talks => Err(errors::talks(target)),
        Reaction::HangsUp if counted => Ok("it takes no lines, as is right for counted messages"),
        Reaction::HangsUp => Err(errors::wants_counts(target)),
    }
}

/// Whether a TLS server is there, of whatever certificate.
async fn speaks_tls(config: &SyslogConfig, target: &Target) -> bool {
    let config = SyslogConfig { protocol: Protocol::Tls, ..config.clone() };
    let (host, port) = (config.host.trim().to_owned(), config.port());
    let client = nethical_core::delivery::runtime::blocking(move || Tls::new(&config)).await;
    let (Ok(Ok(client)), Ok(stream)) = (client, Stream::tcp(&host, port, target).await) else { return false };
    match timeout(2 * PATIENCE, stream.secure(client, false, target)).await {
        Ok(Ok(stream)) => {
            stream.close().await;
            true
        }
        Ok(Err(error)) => {
            error.code() != errors::TLS_PLAIN && matches!(error.kind(), Kind::Config | Kind::Unauthorized)
        }
        Err(_) => false,
    }
}
