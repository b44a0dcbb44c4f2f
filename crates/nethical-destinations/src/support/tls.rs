//! TLS for destinations that speak it themselves: whom to trust, and who we are.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::{ResolvesClientCert, WantsClientCert};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SignatureScheme, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;

/// Files in PEM that options name.
#[derive(Debug, Default, Clone, Copy)]
pub struct ClientFiles<'a> {
    /// Certificates of the authorities to trust, instead of the system's.
    pub ca_file: Option<&'a Path>,
    /// Our certificate, with those of its authorities.
    pub client_cert: Option<&'a Path>,
    /// The key of our certificate.
    pub client_key: Option<&'a Path>,
}

/// Why TLS cannot be set up.
#[derive(Debug)]
pub struct TlsFault {
    /// The option and the file that is of no use, if it is one.
    pub file: Option<(&'static str, PathBuf)>,
    /// Why.
    pub message: String,
}

impl TlsFault {
    fn of(option: &'static str, path: &Path, error: &dyn Display) -> Self {
        Self { file: Some((option, path.to_owned())), message: error.to_string() }
    }

    fn other(error: &dyn Display) -> Self {
        Self { file: None, message: error.to_string() }
    }
}

/// The settings of a TLS client. Without `ca_file` the system says whom to trust; where it has no
/// certificates at all, as in small containers, those of Mozilla do that were built in.
///
/// # Errors
/// If a file cannot be read or holds something else.
pub fn client_config(files: &ClientFiles<'_>) -> Result<Arc<ClientConfig>, TlsFault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::other(&error))?;
    let builder = match files.ca_file {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => of_the_system(builder),
    };
    let config = match (files.client_cert, files.client_key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("client_cert", certificate)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| TlsFault::of("client_key", key, &shown(&error)))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| TlsFault::of("client_key", key, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Whether a server asked who we are, of one connection.
#[derive(Debug, Default, Clone)]
pub struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Whether it did.
    pub fn was(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The same settings for one connection, and whether its server asks who we are.
pub fn listening(config: &ClientConfig) -> (Arc<ClientConfig>, Asked) {
    let asked = Asked::default();
    let mut config = config.clone();
    let of = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(Listening { of, asked: asked.clone() });
    (Arc::new(config), asked)
}

#[derive(Debug)]
struct Listening {
    of: Arc<dyn ResolvesClientCert>,
    asked: Asked,
}

impl ResolvesClientCert for Listening {
    /// Called for a request of the server only, also without a certificate to give.
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.0.store(true, Ordering::Relaxed);
        self.of.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.of.has_certs()
    }
}

/// The name, or address, that must stand in a certificate.
///
/// # Errors
/// If it can be neither.
pub fn server_name(name: &str) -> Result<ServerName<'static>, InvalidDnsNameError> {
    ServerName::try_from(name.to_owned())
}

fn of_the_system(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder.clone().with_platform_verifier().unwrap_or_else(|_| builder.with_root_certificates(built_in()))
}

/// The public authorities that Mozilla lists, as of this build.
fn built_in() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    roots
}

fn roots(path: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", path)? {
        roots.add(certificate).map_err(|error| TlsFault::of("ca_file", path, &error))?;
    }
    Ok(roots)
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let fault = |error: &dyn Display| TlsFault::of(option, path, error);
    let found = CertificateDer::pem_file_iter(path).map_err(|error| fault(&shown(&error)))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| fault(&shown(&error)))?;
    if found.is_empty() { Err(fault(&"there is no certificate in it")) } else { Ok(found) }
}

/// Without the content of the file, which may be a secret.
fn shown(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        rustls::pki_types::pem::Error::NoItemsFound => "there is none in it".to_owned(),
        _ => "it is not in PEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_authority_is_taken() {
        assert_eq!(built_in().len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(built_in().len() > 50);
    }
}
