//! Keeping requests that somebody else addressed away from this machine's network.
//!
//! An address that comes from data may name a private host, the machine itself or the metadata service of its
//! cloud. So before each attempt the host is looked up once, every address that it has is tested, and the
//! connection is made to just those. A literal address passes the same test, redirects are never followed, and no
//! proxy is used, since it would look the name up itself.

mod addresses;
mod look_up;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use nethical_core::delivery::Error;
use url::{Host, Url};

use self::addresses::{is_metadata, is_special};
use self::look_up::{LookUp, System};
use crate::support::http::Client;
use crate::support::webhook::Context;

/// Why a request is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// This address is not public, and no allowed network holds it.
    Address(IpAddr),
    /// At this address a cloud hands out credentials.
    Metadata(IpAddr),
    /// The web address holds a user's name or password.
    Credentials,
    /// It is not `http` or `https`, or has no host.
    Scheme,
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address} is no public address"),
            Self::Metadata(address) => write!(f, "{address} is that of a cloud's metadata"),
            Self::Credentials => f.write_str("there is a user or a password in the web address"),
            Self::Scheme => f.write_str("it is no address of `http` or `https`"),
        }
    }
}

/// Lets requests only to public addresses, and to networks that are allowed.
pub struct Guard {
    allow: Vec<IpNet>,
    names: Arc<dyn LookUp>,
    /// The client that reaches only the addresses that were tested last, and those.
    pinned: Mutex<Option<Pinned>>,
}

#[derive(Debug, Clone)]
struct Pinned {
    host: String,
    addresses: Vec<SocketAddr>,
    client: Client,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl Guard {
    /// Also let requests to these networks.
    pub fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.to_vec(), names: Arc::new(System), pinned: Mutex::default() }
    }

    /// The same, looking names up here.
    #[cfg(test)]
    pub(crate) fn asking(self, names: Arc<tests::Names>) -> Self {
        Self { names, ..self }
    }

    /// Test one address.
    ///
    /// # Errors
    /// Why nothing is sent there.
    pub fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        if is_metadata(address) {
            return Err(Blocked::Metadata(address));
        }
        if self.allow.iter().any(|net| net.contains(&address)) || !is_special(address) {
            return Ok(());
        }
        Err(Blocked::Address(address))
    }

    /// Test what can be seen of a web address without looking its host up. The parser has put the host into its
    /// plain form by then: decimal, octal and hexadecimal numbers have become an address.
    ///
    /// # Errors
    /// Why nothing is sent there.
    pub fn check_url(&self, url: &Url) -> Result<(), Blocked> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Blocked::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::Credentials);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(Blocked::Scheme),
        }
    }

    /// A client that reaches the host of this web address at no other address than those that were tested just now.
    ///
    /// # Errors
    /// If the host has no address, or one to which nothing is sent.
    pub(crate) async fn client(
        &self,
        base: &Client,
        url: &Url,
        context: Context<'_>,
    ) -> Result<Client, Error> {
        self.check_url(url).map_err(|blocked| refused(&blocked, context))?;
        let Some(Host::Domain(host)) = url.host() else { return Ok(base.clone()) };
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses = look_up::all(&*self.names, host, port, context).await?;
        for address in &addresses {
            self.check(address.ip()).map_err(|blocked| refused(&blocked, context))?;
        }
        let mut slot = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pinned) = slot.as_ref().filter(|one| one.host == host && one.addresses == addresses) {
            return Ok(pinned.client.clone());
        }
        let client = base.pinned(host, &addresses)?;
        *slot = Some(Pinned { host: host.to_owned(), addresses, client: client.clone() });
        Ok(client)
    }
}

fn refused(blocked: &Blocked, Context { kind, at }: Context<'_>) -> Error {
    let code = match kind {
        "slack" => "slack.blocked",
        "discord" => "discord.blocked",
        "api" => "api.blocked",
        _ => "http.blocked",
    };
    Error::config(code, format!("nothing is sent to {at}: {blocked}"))
        .with_hint("if this network is meant, name it in `ssrf_allow`, or set `ssrf_guard = false`")
}

#[cfg(test)]
pub(crate) mod tests;
