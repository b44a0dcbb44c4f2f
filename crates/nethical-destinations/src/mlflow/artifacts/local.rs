//! Into a folder that the server names, which must be one of this machine too.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use nethical_core::delivery::{Error, runtime};

use super::source::Source;
use crate::mlflow::server::Server;
#[cfg(feature = "mlflow-embedded")]
use crate::support::private;

/// The folder that `file:///a/b`, `file:/a/b` or `/a/b` is.
pub(super) fn folder(server: &Server, uri: &str) -> Result<PathBuf, Error> {
    let path = uri.strip_prefix("file:").unwrap_or(uri);
    let path = path.strip_prefix("//localhost").or_else(|| path.strip_prefix("//")).unwrap_or(path);
    let folder = PathBuf::from(path);
    // `<root>/<experiment>/<run>/artifacts`: on another machine a folder that only has the same name is not meant.
    let root = folder.ancestors().nth(3).unwrap_or(&folder);
    let is_shared = root.parent().is_some() && root.is_dir();
    if folder.is_absolute() && (server.address.is_here() || is_shared) {
        return Ok(folder);
    }
    let text = format!(
        "the server keeps the artifacts of the run in its own `{path}`, which is not on this machine"
    );
    Err(Error::refused("mlflow.artifact_store", text)
        .with_hint("start the server with `--serve-artifacts`, or share the folder with this machine"))
}

/// Move a file to its place, which only works within a file system. Also `true` if that was done before.
#[cfg(feature = "mlflow-embedded")]
pub(super) async fn was_moved(folder: &Path, from: &Path, path: &str) -> Result<bool, Error> {
    let (from, target) = (from.to_owned(), folder.join(path));
    runtime::blocking(move || {
        let made = target.parent().is_none_or(|parent| private::folder(parent).is_ok());
        made && (fs::rename(&from, &target).is_ok() || !from.exists() && target.is_file())
    })
    .await
}

pub(super) async fn put(folder: &Path, path: &str, source: &Source) -> Result<(), Error> {
    let target = folder.join(path);
    let fresh = target.with_file_name(format!(".{}.part", nethical_core::event::EventId::new()));
    let failed = |error: io::Error| unkept(&target, &error);
    let (parent, place) = (target.parent().unwrap_or(folder).to_owned(), fresh.clone());
    let open = move || fs::create_dir_all(parent).and_then(|()| File::create(place));
    let mut file = runtime::blocking(open).await?.map_err(failed)?;
    let (pieces, trouble) = source.read();
    futures_util::pin_mut!(pieces);
    let mut written = Ok(());
    while let Some(piece) = pieces.next().await {
        let step;
        (file, step) = write(file, piece).await?;
        written = step;
        if written.is_err() {
            break;
        }
    }
    let (from, to) = (fresh.clone(), target.clone());
    let end =
        move || written.and_then(|()| fs::rename(&from, to)).inspect_err(|_| drop(fs::remove_file(&from)));
    runtime::blocking(end).await?.map_err(|error| trouble.or(unkept(&target, &error)))
}

async fn write(mut file: File, piece: io::Result<Bytes>) -> Result<(File, io::Result<()>), Error> {
    use io::Write;
    runtime::blocking(move || {
        let written = piece.and_then(|piece| file.write_all(&piece));
        (file, written)
    })
    .await
}

fn unkept(target: &Path, error: &io::Error) -> Error {
    use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
    let text = format!("cannot write {}: {error}", target.display());
    if [AlreadyExists, IsADirectory, NotADirectory].contains(&error.kind()) {
        return Error::refused("mlflow.artifact_path", text).with_hint("log it under another name");
    }
    Error::unavailable("mlflow.artifact_folder", text).with_hint("see the permissions and the room there")
}
