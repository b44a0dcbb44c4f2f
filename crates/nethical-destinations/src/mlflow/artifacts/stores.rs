//! Straight into S3, Google Cloud Storage or Azure.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use nethical_core::delivery::{Error, Kind};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::{
    ClientOptions, CredentialProvider, ObjectStore, ObjectStoreExt, RetryConfig, StaticCredentialProvider,
};

use super::source::Source;
use crate::mlflow::errors;
use crate::mlflow::server::Server;
use crate::support::aws::{Environment, Provider, region};

/// Bytes of one part, unless a file has too many of them for 9,000 parts.
const PART: u64 = 8 << 20;

/// A folder in a store of objects.
pub(crate) struct Store {
    store: Arc<dyn ObjectStore>,
    /// The run's folder in it.
    root: String,
    /// As people know it: `s3://bucket`.
    name: String,
}

impl Store {
    /// Open what `scheme://bucket/path` is, with the credentials that the environment leads to.
    pub(super) fn of(server: &Server, uri: &str) -> Result<Self, Error> {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
        let (bucket, root) = rest.split_once('/').unwrap_or((rest, ""));
        let name = format!("{scheme}://{bucket}");
        let known = server.stores.get(&name);
        let store = match known {
            Some(store) => store,
            None => {
                let opened: Arc<dyn ObjectStore> = match scheme {
                    "s3" => Arc::new(s3(server, bucket).map_err(|error| sort(&error, &name))?),
                    "gs" => Arc::new(gcs(bucket).map_err(|error| sort(&error, &name))?),
                    _ => Arc::new(azure(bucket).map_err(|error| sort(&error, &name))?),
                };
                server.stores.keep(&name, &opened);
                opened
            }
        };
        Ok(Self { store, root: root.trim_matches('/').to_owned(), name })
    }

    pub(super) async fn put(&self, path: &str, source: &Source) -> Result<(), Error> {
        let at = Path::parse(format!("{}/{path}", self.root).trim_start_matches('/')).map_err(|error| {
            Error::refused("mlflow.artifact_path", errors::shown(error.to_string().as_bytes()))
        })?;
        if source.size() <= PART {
            let whole = source.read_whole().await?;
            let put = self.store.put(&at, whole.into()).await;
            return put.map(drop).map_err(|error| sort(&error, &self.name));
        }
        self.put_parts(&at, source).await
    }

    async fn put_parts(&self, at: &Path, source: &Source) -> Result<(), Error> {
        let failed = |error: object_store::Error| sort(&error, &self.name);
        let mut upload = self.store.put_multipart(at).await.map_err(failed)?;
        let size = usize::try_from(PART.max(source.size().div_ceil(9_000))).unwrap_or(usize::MAX);
        let (pieces, trouble) = source.read();
        futures_util::pin_mut!(pieces);
        let mut part = BytesMut::new();
        let mut sent = Ok(());
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => part.extend_from_slice(&piece),
                Err(error) => {
                    sent = Err(trouble.or(Error::refused("artifact.unreadable", error.to_string())));
                    break;
                }
            }
            if part.len() >= size {
                let full: Bytes = part.split_to(size).freeze();
                sent = upload.put_part(full.into()).await.map_err(failed);
            }
            if sent.is_err() {
                break;
            }
        }
        if sent.is_ok() && !part.is_empty() {
            sent = upload.put_part(part.freeze().into()).await.map_err(failed);
        }
        match sent {
            Ok(()) => upload.complete().await.map(drop).map_err(failed),
            Err(error) => {
                // What the store keeps of it then is the store's to forget.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }
}

/// The queue tries again for as long as it takes, so a store need not.
fn few_retries() -> RetryConfig {
    RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() }
}

fn options() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(Duration::from_secs(5)).with_timeout(Duration::from_secs(120))
}

fn s3(server: &Server, bucket: &str) -> object_store::Result<impl ObjectStore + use<>> {
    let environment = Environment::default();
    let profile = server.config.profile.clone();
    let region = region(None, &environment, profile.as_deref());
    let provider = Provider::found(environment.clone(), profile, region.clone(), server.http.clone());
    let endpoint = ["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
    let endpoint = endpoint.iter().find_map(|name| environment.var(name));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_credentials(Arc::new(Aws(provider)))
        .with_retry(few_retries())
        .with_client_options(options());
    if let Some(endpoint) = endpoint {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    builder.build()
}

/// The credentials of AWS, found as for every other destination.
#[derive(Debug)]
struct Aws(Provider);

#[async_trait]
impl CredentialProvider for Aws {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = self.0.get().await;
        let found = found.map_err(|error| object_store::Error::Unauthenticated {
            path: "S3".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}

fn gcs(bucket: &str) -> object_store::Result<impl ObjectStore + use<>> {
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(few_retries());
    match env::var("STORAGE_EMULATOR_HOST") {
        // As the libraries of Google have it: there, nobody is asked for credentials.
        Ok(host) if !host.is_empty() => {
            let url = if host.contains("://") { host } else { format!("http://{host}") };
            let options = options().with_allow_http(url.starts_with("http://"));
            // Unsigned, and with credentials that are none: without any, the machine's metadata service would be asked.
            let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
            let builder =
                builder.with_base_url(&url).with_skip_signature(true).with_credentials(Arc::new(nobody));
            builder.with_client_options(options).build()
        }
        _ => builder.with_client_options(options()).build(),
    }
}

/// `container@account.blob.core.windows.net`
fn azure(bucket: &str) -> object_store::Result<impl ObjectStore + use<>> {
    let (container, host) = bucket.split_once('@').unwrap_or((bucket, ""));
    let account = host.split('.').next().unwrap_or_default();
    let mut builder =
        MicrosoftAzureBuilder::from_env().with_container_name(container).with_retry(few_retries());
    if !account.is_empty() {
        builder = builder.with_account(account);
    }
    let mut options = options();
    let connection = env::var("AZURE_STORAGE_CONNECTION_STRING").unwrap_or_default();
    for (name, value) in connection.split(';').filter_map(|part| part.split_once('=')) {
        match name {
            "AccountName" => builder = builder.with_account(value),
            "AccountKey" => builder = builder.with_access_key(value),
            "BlobEndpoint" => {
                options = options.with_allow_http(value.starts_with("http://"));
                builder = builder.with_endpoint(value.to_owned());
            }
            _ => {}
        }
    }
    builder.with_client_options(options).build()
}

fn sort(error: &object_store::Error, name: &str) -> Error {
    use object_store::Error as Store;
    let text = format!("artifacts in {name}: {}", errors::shown(innermost(error).as_bytes()));
    match error {
        Store::Unauthenticated { .. } | Store::PermissionDenied { .. } => {
            Error::new(Kind::Unauthorized, "mlflow.store_forbidden", text)
                .with_hint("give this program credentials that may write there, or start the server with `--serve-artifacts`")
        }
        Store::NotFound { .. } => Error::config("mlflow.store_not_found", text)
            .with_hint("see whether the bucket or container exists, and its region"),
        Store::InvalidPath { .. } => Error::refused("mlflow.artifact_path", text),
        Store::UnknownConfigurationKey { .. } | Store::NotSupported { .. } | Store::NotImplemented { .. } => {
            Error::config("mlflow.store", text).with_hint("see the settings of the store in the environment")
        }
        _ => Error::unavailable("mlflow.store_unavailable", text)
            .with_hint("see the settings of the store in the environment; it is tried again"),
    }
}

/// The first cause, which says most; the ones around it repeat addresses that may be signed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The stores that are open, by their names.
#[derive(Debug, Default)]
pub(crate) struct Stores(std::sync::Mutex<std::collections::HashMap<String, Arc<dyn ObjectStore>>>);

impl Stores {
    fn get(&self, name: &str) -> Option<Arc<dyn ObjectStore>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned()
    }

    fn keep(&self, name: &str, store: &Arc<dyn ObjectStore>) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(name.to_owned(), Arc::clone(store));
    }
}
