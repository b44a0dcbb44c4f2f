//! Names to addresses, and a connection to the first that takes one.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use nethical_core::delivery::Error;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::errors::{self, Target};

/// How long the name service, and then each address, may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// The addresses of a host, those of IPv4 first: receivers often listen on these alone.
pub(super) async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let found = match timeout(CONNECT, lookup_host((host, port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(errors::unresolved(host, &error)),
        Err(_) => return Err(errors::unresolved(host, &"the name service does not answer")),
    };
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    if found.is_empty() {
        return Err(errors::unresolved(host, &"it has none"));
    }
    Ok(found)
}

/// Try the addresses in order. The error is that of the first: the others are often not even meant.
pub(super) async fn first<T, F: Future<Output = std::io::Result<T>>>(
    target: &Target,
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Error> {
    let mut failure = None;
    for &address in addresses {
        let error = match timeout(CONNECT, connect(address)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => errors::classify("connect to", target, &error),
            Err(_) => errors::timeout("connect to", target, CONNECT.as_secs()),
        };
        failure = failure.or(Some(error));
    }
    Err(failure.unwrap_or_else(|| errors::unresolved(&target.shown, &"it has none")))
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    use tokio::net::TcpStream;

    use super::super::choice::Protocol;
    use super::super::config::SyslogConfig;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_swallows_packets_is_said_to_be_behind_a_firewall() {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        // A full queue makes Linux drop what comes, as a firewall does.
        let briefly = Duration::from_millis(50);
        let waiting: Vec<_> =
            std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&address, briefly).ok()).collect();
        let target = Target::new(&SyslogConfig::new("127.0.0.1", Protocol::Tcp));
        let error = first(&target, &[address], TcpStream::connect).await.unwrap_err();
        assert_eq!(error.code(), "syslog.timeout");
        assert!(error.hint().unwrap().contains("a firewall on the way drops packets"), "{error:?}");
        drop(waiting);
    }
}
