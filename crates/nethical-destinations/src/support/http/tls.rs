//! Clients whose TLS is as an operator says.

use std::path::{Path, PathBuf};

use nethical_core::delivery::Error;
use reqwest::{Certificate, ClientBuilder, Identity};

use super::{Client, Deadlines, How};

/// What an operator says about TLS.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsSwitches {
    /// Certificates to trust instead of the system's, in PEM.
    pub(crate) ca_file: Option<PathBuf>,
    /// Our certificate and its key, in one PEM file.
    pub(crate) client_cert: Option<PathBuf>,
    /// Whoever answers is believed.
    pub(crate) insecure: bool,
}

/// The same, read.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    authorities: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    insecure: bool,
}

impl Tls {
    /// A client with this TLS.
    pub(super) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        let mut builder = builder.tls_danger_accept_invalid_certs(self.insecure);
        if let Some(authorities) = &self.authorities {
            builder = builder.tls_certs_only(authorities.iter().cloned());
        }
        match &self.identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    }
}

impl Client {
    /// A client with these deadlines and this TLS.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub(crate) fn with_tls(deadlines: Deadlines, tls: &TlsSwitches) -> Result<Self, Error> {
        let TlsSwitches { ca_file, client_cert, insecure } = tls;
        if ca_file.is_none() && client_cert.is_none() && !insecure {
            return Self::new(deadlines);
        }
        let authorities =
            ca_file.as_deref().map(|path| read(path, Certificate::from_pem_bundle)).transpose()?;
        let identity = client_cert.as_deref().map(|path| read(path, Identity::from_pem)).transpose()?;
        let tls = Some(Tls { authorities, identity, insecure: *insecure });
        Self::build(How { deadlines, tls, ..How::default() })
    }
}

fn read<T>(path: &Path, parse: impl Fn(&[u8]) -> reqwest::Result<T>) -> Result<T, Error> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::config("tls.file", format!("cannot use {}: {why}", path.display()))
            .with_hint("name a file in PEM that this user may read")
    };
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    // What the parser says may quote the file.
    parse(&bytes).map_err(|_| failed(&"it holds no certificates (and key) in PEM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_of_no_use_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let switches = TlsSwitches { client_cert: Some(path.clone()), ..TlsSwitches::default() };
        let message =
            |switches| Client::with_tls(Deadlines::default(), switches).unwrap_err().message().to_owned();
        assert!(message(&switches).contains("No such file"), "{}", message(&switches));
        std::fs::write(&path, "not in PEM").unwrap();
        assert!(message(&switches).contains("key.pem"), "{}", message(&switches));
        assert!(
            Client::with_tls(Deadlines::default(), &TlsSwitches { insecure: true, ..TlsSwitches::default() })
                .is_ok()
        );
    }
}
