//! Artifacts to where the server keeps them: through itself, or straight into a store that it names.

mod local;
mod multipart;
mod proxy;
mod source;
#[cfg(feature = "cloud-artifacts")]
mod stores;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;
use nethical_core::delivery::Error;
use nethical_core::event::{ArtifactFile, RunArtifact};

use self::source::Source;
#[cfg(feature = "cloud-artifacts")]
pub(super) use self::stores::Stores;
use super::server::{Known, Server};

/// Files that are under way at the same time.
const AT_ONCE: usize = 4;

/// Which files of artifacts that are under way have arrived: after a fault on the way only the others are sent again.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<HashMap<String, HashSet<String>>>);

impl Progress {
    fn is_done(&self, artifact: &str, path: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(artifact).is_some_and(|done| done.contains(path))
    }

    fn done(&self, artifact: &str, path: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(artifact.to_owned()).or_default().insert(path);
    }

    fn forget(&self, artifact: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(artifact);
    }
}

/// Send all files of an artifact.
pub(super) async fn upload(server: &Server, run: &Known, artifact: &RunArtifact) -> Result<(), Error> {
    let place = Place::of(server, &server.artifact_uri(run).await?)?;
    let name = format!("{}\n{}\n{}", run.id, artifact.folder, artifact.source);
    let job = Job { server, place, name: &name, artifact, files: Mutex::new(artifact.files.iter()) };
    let workers: [_; AT_ONCE] = std::array::from_fn(|_| job.work());
    let sent = try_join_all(workers).await;
    if sent.as_ref().map_or_else(|error| !error.is_endpoint_fault(), |_| true) {
        server.progress.forget(&name);
    }
    sent.map(drop)
}

/// Put all files of an artifact into a folder of this machine. A copy of ours is moved there where that is possible.
#[cfg(feature = "mlflow-embedded")]
pub(super) async fn keep(folder: &Path, artifact: &RunArtifact) -> Result<(), Error> {
    for file in &artifact.files {
        let path = Path::new(&artifact.source).join(&file.path);
        let to = artifact.path_of(file);
        if artifact.copied && local::was_moved(folder, &path, &to).await? {
            continue;
        }
        let source = Source { path, file: file.clone(), copied: artifact.copied };
        local::put(folder, &to, &source).await?;
    }
    Ok(())
}

/// The files of one artifact, which several workers share.
struct Job<'a> {
    server: &'a Server,
    place: Place,
    name: &'a str,
    artifact: &'a RunArtifact,
    files: Mutex<std::slice::Iter<'a, ArtifactFile>>,
}

impl<'a> Job<'a> {
    fn next(&self) -> Option<&'a ArtifactFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.find(|file| !self.server.progress.is_done(self.name, &file.path))
    }

    /// Send files as long as there are any.
    async fn work(&self) -> Result<(), Error> {
        let Self { server, artifact, name, .. } = self;
        while let Some(file) = self.next() {
            let path = Path::new(&artifact.source).join(&file.path);
            let source = Source { path, file: file.clone(), copied: artifact.copied };
            self.place.put(server, &artifact.path_of(file), &source).await?;
            server.progress.done(name, file.path.clone());
        }
        Ok(())
    }
}

/// Where the artifacts of a run go.
enum Place {
    /// Through the server, below this address and at this path of its own.
    Proxy(proxy::Proxy),
    /// Into a folder of this machine.
    Local(std::path::PathBuf),
    /// Into a store of objects.
    #[cfg(feature = "cloud-artifacts")]
    Store(stores::Store),
}

impl Place {
    fn of(server: &Server, uri: &str) -> Result<Self, Error> {
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        match scheme.as_str() {
            "mlflow-artifacts" | "http" | "https" => Ok(Self::Proxy(proxy::Proxy::of(server, uri))),
            "" | "file" => local::folder(server, uri).map(Self::Local),
            #[cfg(feature = "cloud-artifacts")]
            "s3" | "gs" | "wasb" | "wasbs" | "abfs" | "abfss" => {
                stores::Store::of(server, uri).map(Self::Store)
            }
            _ => {
                let text = format!("the artifacts of the run go to `{uri}`, where this build cannot write");
                Err(Error::refused("mlflow.artifact_store", text).with_hint(
                    "start the server with `--serve-artifacts`, or use S3, Google Cloud Storage or Azure",
                ))
            }
        }
    }

    async fn put(&self, server: &Server, path: &str, source: &Source) -> Result<(), Error> {
        match self {
            Self::Proxy(proxy) => proxy.put(server, path, source).await,
            Self::Local(folder) => local::put(folder, path, source).await,
            #[cfg(feature = "cloud-artifacts")]
            Self::Store(store) => store.put(path, source).await,
        }
    }
}
