//! Artifacts: addresses are recorded, files of this machine are uploaded first.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use nethical_core::delivery::{Error, runtime};
use nethical_core::event::{ArtifactFile, EventId, RunArtifact, RunChange};
use nethical_core::tracking::artifact;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use super::deliver::{Item, Outcome};
use super::runs::{Known, SageMaker, lock};
use super::s3::{Bucket, Completed};
use super::uploads::{Multipart, Uploads, part_bytes};
use super::{errors, wire};

/// Parts of one file that are under way together.
const AT_ONCE: usize = 3;

/// Bring the artifacts of some updates to their places. What is there stays there, should it come again.
pub(super) async fn upload(
    sagemaker: &SageMaker,
    run: &str,
    items: &[Item],
    known: &AsyncMutex<Known>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    for item in items {
        let RunChange::Artifact(artifact) = &item.update.change else { continue };
        match bring(sagemaker, run, item.id, artifact, known, outcome).await {
            Ok(output) => drop(outcome.outputs.insert(item.index, output)),
            Err(error) if error.is_endpoint_fault() => return Err(error),
            Err(error) => outcome.refuse(item.index, error),
        }
    }
    Ok(())
}

/// Forget the copies of what has been delivered.
pub(super) async fn discard(items: &[Item], outcome: &Outcome) -> Result<(), Error> {
    let artifact = |item: &Item| match &item.update.change {
        RunChange::Artifact(artifact) if !outcome.is_refused(item.index) => Some(artifact.clone()),
        _ => None,
    };
    let delivered: Vec<_> = items.iter().filter_map(artifact).collect();
    if delivered.is_empty() {
        return Ok(());
    }
    let discard = |artifact: &RunArtifact| {
        artifact::discard(artifact);
        Uploads::remove(artifact);
    };
    runtime::blocking(move || delivered.iter().for_each(discard)).await
}

/// Returns the name of the output and what SageMaker is to know of it.
async fn bring(
    sagemaker: &SageMaker,
    run: &str,
    id: EventId,
    artifact: &RunArtifact,
    known: &AsyncMutex<Known>,
    outcome: &Outcome,
) -> Result<(String, serde_json::Value), Error> {
    if artifact.files.is_empty() && artifact.source.contains("://") {
        return Ok(recorded(artifact, &*known.lock().await, outcome));
    }
    let bucket = bucket(sagemaker)?;
    let root = match &*sagemaker.config.prefix {
        "" => run.to_owned(),
        prefix => format!("{}/{run}", prefix.trim_end_matches('/')),
    };
    let (name, address) = match &artifact.files[..] {
        [file] => (artifact.path_of(file), format!("s3://{}/{root}/{}", bucket.name, artifact.path_of(file))),
        _ => (artifact.folder.clone(), format!("s3://{}/{root}/{}/", bucket.name, artifact.folder)),
    };
    let output = (wire::artifact_name(&name), wire::artifact(&address));
    let is_known = known.lock().await.sent.has_output(&output.0);
    for file in &artifact.files {
        let source = Path::new(&artifact.source).join(&file.path);
        let key = format!("{root}/{}", artifact.path_of(file));
        // A copy is gone when it has been delivered.
        if artifact.copied && is_known && !source.exists() {
            continue;
        }
        bring_file(sagemaker, bucket, &key, id, artifact, file, source).await?;
    }
    Ok(output)
}

/// An address under its last part, or as a whole where that is another's name.
fn recorded(artifact: &RunArtifact, known: &Known, outcome: &Outcome) -> (String, serde_json::Value) {
    let address = &artifact.source;
    let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or(address);
    let name =
        if artifact.folder.is_empty() { last.to_owned() } else { format!("{}/{last}", artifact.folder) };
    let value = wire::artifact(address);
    let before = known.component.as_ref().and_then(|component| component.outputs().get(&name).cloned());
    let now = outcome.outputs.values().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let is_taken = now.or(before).is_some_and(|another| another != value);
    (wire::artifact_name(if is_taken { address } else { &name }), value)
}

fn bucket(sagemaker: &SageMaker) -> Result<Bucket<'_>, Error> {
    let bucket = sagemaker.api.bucket.as_ref().zip(sagemaker.config.bucket.as_deref());
    bucket.map(|(service, name)| Bucket { service, name }).ok_or_else(no_bucket)
}

/// There is nowhere to upload to.
pub(super) fn no_bucket() -> Error {
    Error::refused("sagemaker.no_upload", "files of this machine cannot be kept: no bucket is configured")
        .with_hint("set `bucket`, or log an `s3://` address")
}

/// Upload one file, unless that is done.
async fn bring_file(
    sagemaker: &SageMaker,
    bucket: Bucket<'_>,
    key: &str,
    id: EventId,
    artifact: &RunArtifact,
    file: &ArtifactFile,
    source: PathBuf,
) -> Result<(), Error> {
    let before = lock(&sagemaker.uploads).get(&id).cloned();
    let mut uploads = match before {
        Some(uploads) => uploads,
        None => {
            let artifact = artifact.clone();
            runtime::blocking(move || Uploads::read(&artifact)).await?
        }
    };
    if uploads.done.contains(key) {
        return Ok(());
    }
    let keep = |uploads: &Uploads| {
        lock(&sagemaker.uploads).insert(id, uploads.clone());
        uploads.write(artifact);
    };
    let (known, at) = (file.clone(), source.clone());
    let opened = runtime::blocking(move || open(&at, &known)).await?;
    let opened = match opened {
        Ok(opened) => std::sync::Arc::new(opened),
        Err(error) => {
            abandon(bucket, key, &uploads).await;
            return Err(error);
        }
    };
    if file.size <= part_bytes(file.size) {
        let (reader, size) = (std::sync::Arc::clone(&opened), file.size);
        let body = runtime::blocking(move || read(&reader, 0, size)).await?;
        bucket.put(key, body.map_err(|error| unreadable(&source, &error))?).await?;
    } else {
        in_parts(bucket, key, &opened, file.size, &source, &mut uploads, &keep).await?;
    }
    let (known, at) = (file.clone(), source.clone());
    runtime::blocking(move || is_unchanged(&at, &known)).await??;
    uploads.started.remove(key);
    uploads.done.insert(key.to_owned());
    keep(&uploads);
    Ok(())
}

/// Nothing will come of these parts.
async fn abandon(bucket: Bucket<'_>, key: &str, uploads: &Uploads) {
    if let Some(upload) = uploads.started.get(key)
        && let Err(error) = bucket.abort(key, &upload.id).await
    {
        tracing::warn!(target: "nethical", "an upload in parts is left in the bucket: {error}");
    }
}

/// Upload a file in parts, those first that S3 does not have.
async fn in_parts(
    bucket: Bucket<'_>,
    key: &str,
    file: &std::sync::Arc<File>,
    size: u64,
    source: &Path,
    uploads: &mut Uploads,
    keep: &(dyn Fn(&Uploads) + Sync),
) -> Result<(), Error> {
    if uploads.started.get(key).is_some_and(|upload| upload.part_bytes != part_bytes(size)) {
        // What was noted is damaged, or of another time.
        abandon(bucket, key, uploads).await;
        uploads.started.remove(key);
    }
    // Once more, for a rule of the bucket may end uploads that take long.
    for _ in 0..2 {
        if !uploads.started.contains_key(key) {
            let id = bucket.begin(key).await?;
            let begun = Multipart { id, part_bytes: part_bytes(size), ..Multipart::default() };
            uploads.started.insert(key.to_owned(), begun);
            keep(uploads);
        }
        if send_parts(bucket, key, file, size, source, uploads, keep).await? {
            let upload = uploads.started.get(key).cloned().unwrap_or_default();
            if let Completed::Whole = bucket.complete(key, &upload).await? {
                return Ok(());
            }
        }
        uploads.started.remove(key);
        keep(uploads);
    }
    Err(errors::forgotten(bucket.name, key))
}

/// Send the parts that are missing. `false`: S3 does not know the upload any more.
async fn send_parts(
    bucket: Bucket<'_>,
    key: &str,
    file: &std::sync::Arc<File>,
    size: u64,
    source: &Path,
    uploads: &mut Uploads,
    keep: &(dyn Fn(&Uploads) + Sync),
) -> Result<bool, Error> {
    let Some(upload) = uploads.started.get(key).cloned() else { return Ok(false) };
    let each = upload.part_bytes;
    let last = u32::try_from(size.div_ceil(each)).unwrap_or(u32::MAX);
    let missing = (1..=last).filter(|number| !upload.parts.contains_key(number));
    let send = |number: u32| {
        let (file, id) = (std::sync::Arc::clone(file), upload.id.clone());
        async move {
            let offset = u64::from(number - 1) * each;
            let length = each.min(size - offset);
            let body = runtime::blocking(move || read(&file, offset, length)).await?;
            let body = body.map_err(|error| unreadable(source, &error))?;
            Ok::<_, Error>((number, bucket.part(key, &id, number, body).await?))
        }
    };
    let mut sent = stream::iter(missing).map(send).buffer_unordered(AT_ONCE);
    let mut fault = None;
    while let Some(result) = sent.next().await {
        match result {
            Ok((number, Some(part))) => {
                if let Some(upload) = uploads.started.get_mut(key) {
                    upload.parts.insert(number, part);
                }
                keep(uploads);
            }
            Ok((_, None)) => return Ok(false),
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    fault.map_or(Ok(true), Err)
}

/// Open a file that is as it was when it was logged.
fn open(path: &Path, known: &ArtifactFile) -> Result<File, Error> {
    is_unchanged(path, known)?;
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    if !known.digest.is_empty() {
        let mut sum = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer).map_err(|error| unreadable(path, &error))? {
                0 => break,
                count => sum.update(buffer.get(..count).unwrap_or_default()),
            }
        }
        let digest: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != known.digest {
            return Err(errors::changed(&path.display().to_string(), "has changed"));
        }
    }
    Ok(file)
}

fn is_unchanged(path: &Path, known: &ArtifactFile) -> Result<(), Error> {
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => errors::changed(&path.display().to_string(), "was removed"),
        _ => unreadable(path, &error),
    })?;
    let touched = known.modified != 0 && artifact::modified(&about) != known.modified;
    if about.len() != known.size || touched {
        return Err(errors::changed(&path.display().to_string(), "has changed"));
    }
    Ok(())
}

fn read(file: &File, offset: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::refused("artifact_unreadable", format!("cannot read {}: {error}", path.display()))
        .with_hint("see whether this user may read it, and log it again")
}
