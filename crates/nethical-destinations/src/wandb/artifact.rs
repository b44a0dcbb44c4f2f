//! Artifacts: files that W&B keeps in versions.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use nethical_core::delivery::Error;
use serde_json::{Map, Value, json};

use super::log::record::{Artifact, Manifest, ManifestEntry, PolicyItem};

/// More files in one artifact are most likely a mistake.
const MOST_FILES: usize = 100_000;

/// What is to be kept.
#[derive(Debug, Clone, Default)]
pub struct ArtifactSpec<'a> {
    /// Its name; without it `run-<id>-<name of the file>`.
    pub name: Option<&'a str>,
    /// Its type; without it `unspecified`, as the official client has it.
    pub kind: Option<&'a str>,
    /// The folder in it; without it the top.
    pub folder: Option<&'a str>,
    /// What it is.
    pub description: Option<&'a str>,
    /// Names under which this version is found, beside `latest`.
    pub aliases: &'a [&'a str],
    /// Leave the file where it is. If it has changed by the time it is sent, it is refused.
    pub in_place: bool,
}

/// A file that was found, and its name in the artifact.
struct Found {
    source: PathBuf,
    name: String,
}

/// Copies what is at `path` into `keep`, which is made, and says what there is.
///
/// # Errors
/// If it is not there, cannot be read, changes meanwhile, or cannot be copied.
pub(super) fn take(path: &Path, spec: &ArtifactSpec<'_>, keep: &Path) -> Result<Vec<ManifestEntry>, Error> {
    let path = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
    let about = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
    let folder = spec.folder.unwrap_or_default().trim_matches('/');
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut found = Vec::new();
    if about.is_dir() {
        walk(&path, &prefix, &mut vec![(about.dev(), about.ino())], &mut found)?;
    } else if !about.is_file() {
        return Err(special(&path));
    } else {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| unnamed(&path))?;
        found.push(Found { name: format!("{prefix}{name}"), source: path.clone() });
    }
    let mut entries = Vec::with_capacity(found.len());
    for Found { source, name } in found {
        let target = (!spec.in_place).then(|| keep.join(&name));
        let (digest, size) = copy(&source, target.as_deref())?;
        let local = target.unwrap_or(source);
        entries.push(ManifestEntry {
            digest,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            local_path: local.to_str().ok_or_else(|| unnamed(&local))?.to_owned(),
            path: name,
            ..ManifestEntry::default()
        });
    }
    Ok(entries)
}

/// All files below `folder`, by name. Links are followed, unless they lead back to where they are.
fn walk(
    folder: &Path,
    prefix: &str,
    above: &mut Vec<(u64, u64)>,
    found: &mut Vec<Found>,
) -> Result<(), Error> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = listed.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let source = entry.path();
        let name = entry.file_name().into_string().map_err(|_| unnamed(&source))?;
        let about = fs::metadata(&source).map_err(|error| unreadable(&source, &error))?;
        let name = format!("{prefix}{name}");
        if about.is_dir() {
            let identity = (about.dev(), about.ino());
            if above.contains(&identity) {
                let text = format!("wandb: {} is a link to a folder that it is in", source.display());
                return Err(
                    Error::refused("wandb.artifact_loop", text).with_hint("remove the link, or log less")
                );
            }
            above.push(identity);
            walk(&source, &format!("{name}/"), above, found)?;
            above.pop();
        } else if about.is_file() {
            found.push(Found { source, name });
        } else {
            return Err(special(&source));
        }
        if found.len() > MOST_FILES {
            let text = format!("wandb: {} holds more than {MOST_FILES} files", folder.display());
            return Err(
                Error::refused("wandb.artifact_files", text).with_hint("log an archive of it instead")
            );
        }
    }
    Ok(())
}

/// Reads a file, copying it if there is a target. Returns its MD5 in base64, and its size.
fn copy(from: &Path, to: Option<&Path>) -> Result<(String, u64), Error> {
    let mut source = File::open(from).map_err(|error| unreadable(from, &error))?;
    let before = source.metadata().map_err(|error| unreadable(from, &error))?.len();
    let mut target = to.map(create).transpose()?;
    let (mut hash, mut size) = (Md5::new(), 0_u64);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(from, &error)),
        };
        hash.update(read);
        size += read.len() as u64;
        if let (Some(file), Some(path)) = (&mut target, to) {
            file.write_all(read).map_err(|error| unkept(path, &error))?;
        }
    }
    if size < before {
        let text = format!("wandb: {} became shorter while it was read", from.display());
        return Err(
            Error::refused("wandb.artifact_shrunk", text).with_hint("log it when nobody writes to it")
        );
    }
    Ok((STANDARD.encode(hash.finalize()), size))
}

fn create(path: &Path) -> Result<File, Error> {
    let folder = path.parent().unwrap_or(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unkept(folder, &error))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| unkept(path, &error))
}

/// The MD5 of a file in base64.
///
/// # Errors
/// If it cannot be read.
pub(super) fn digest_of(path: &Path) -> Result<(String, u64), Error> {
    copy(path, None)
}

/// The record of an artifact with these files.
pub(super) fn record(mut contents: Vec<ManifestEntry>, artifact: Artifact) -> Artifact {
    contents.sort_by(|one, other| one.path.cmp(&other.path));
    let layout = PolicyItem { key: "storageLayout".to_owned(), value_json: "\"V2\"".to_owned() };
    let manifest = Manifest {
        version: 1,
        storage_policy: POLICY.to_owned(),
        storage_policy_config: vec![layout],
        contents,
    };
    Artifact {
        digest: digest(&manifest),
        manifest: Some(manifest),
        user_created: true,
        finalize: true,
        client_id: client_id(),
        sequence_client_id: client_id(),
        ..artifact
    }
}

const POLICY: &str = "wandb-storage-policy-v1";

/// The digest of an artifact: of the names and digests of its files, sorted by name.
pub(super) fn digest(manifest: &Manifest) -> String {
    let mut hash = Md5::new_with_prefix(b"wandb-artifact-manifest-v1\n");
    let mut entries: Vec<_> = manifest.contents.iter().map(|entry| (&entry.path, &entry.digest)).collect();
    entries.sort_unstable();
    for (name, digest) in entries {
        hash.update(format!("{name}:{digest}\n"));
    }
    hex(&hash.finalize())
}

/// The manifest as it is uploaded.
pub(super) fn manifest_json(manifest: &Manifest, artifact_id: &str) -> Vec<u8> {
    let entry = |entry: &ManifestEntry| {
        let birth = if entry.birth_artifact_id.is_empty() { artifact_id } else { &entry.birth_artifact_id };
        let mut about = json!({ "digest": entry.digest, "size": entry.size, "birthArtifactID": birth });
        if !entry.reference.is_empty()
            && let Some(about) = about.as_object_mut()
        {
            about.insert("ref".to_owned(), entry.reference.clone().into());
            about.remove("birthArtifactID");
        }
        (entry.path.clone(), about)
    };
    let contents: Map<String, Value> = manifest.contents.iter().map(entry).collect();
    let value = json!({
        "version": 1,
        "storagePolicy": POLICY,
        "storagePolicyConfig": { "storageLayout": "V2" },
        "contents": contents,
    });
    value.to_string().into_bytes()
}

/// The MD5 of some bytes in base64.
pub(super) fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 128 random letters and digits: by it a server knows a repeat of the same artifact.
fn client_id() -> String {
    random_name(128)
}

/// Random lower-case letters and digits.
pub(super) fn random_name(length: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = vec![0; length];
    if getrandom::fill(&mut random).is_err() {
        // Without randomness time has to do.
        let nanos = jiff::Timestamp::now().as_nanosecond().unsigned_abs();
        random.iter_mut().enumerate().for_each(|(at, byte)| *byte = (nanos >> (at % 16 * 8)) as u8);
    }
    random
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(*byte) % 36))
        .map(|byte| char::from(*byte))
        .collect()
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::refused("wandb.artifact_unreadable", format!("wandb: cannot read {}: {error}", path.display()))
        .with_hint("name a file or folder that is there and may be read")
}

fn unkept(path: &Path, error: &io::Error) -> Error {
    Error::unavailable("wandb.artifact_copy", format!("wandb: cannot copy to {}: {error}", path.display()))
        .with_hint("make room, or leave the file where it is with `copy=False`")
}

/// A pipe has no end, and a device may have none.
fn special(path: &Path) -> Error {
    let text = format!("wandb: {} is neither a file nor a folder", path.display());
    Error::refused("wandb.artifact_special", text).with_hint("log files and folders only")
}

fn unnamed(path: &Path) -> Error {
    Error::refused("wandb.artifact_name", format!("wandb: {} has no name in UTF-8", path.display()))
        .with_hint("rename it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_copied_and_their_digests_are_those_of_w_and_b() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/sub")).unwrap();
        fs::write(folder.path().join("data/note.txt"), "hello").unwrap();
        fs::write(folder.path().join("data/sub/b.bin"), [0, 1, 2]).unwrap();
        let keep = folder.path().join("keep");
        let spec = ArtifactSpec { folder: Some("in"), ..ArtifactSpec::default() };
        let entries = take(&folder.path().join("data"), &spec, &keep).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["in/note.txt", "in/sub/b.bin"]);
        assert_eq!(entries[0].digest, "XUFAKrxLKna5cZ2REBfFkg==", "md5 of hello");
        fs::remove_dir_all(folder.path().join("data")).unwrap();
        assert_eq!(fs::read(&entries[1].local_path).unwrap(), [0, 1, 2]);
        let artifact = record(entries, Artifact::default());
        let sum = "wandb-artifact-manifest-v1\nin/note.txt:XUFAKrxLKna5cZ2REBfFkg==\nin/sub/b.bin:uV9n9h67A2GWIteY9F/C0w==\n";
        let manifest = artifact.manifest.as_ref().unwrap();
        assert_eq!(artifact.digest, hex(&Md5::digest(sum)));
        assert_eq!(artifact.client_id.len(), 128);
        let json: Value = serde_json::from_slice(&manifest_json(manifest, "id")).unwrap();
        assert_eq!(json["contents"]["in/note.txt"]["birthArtifactID"], "id");
        assert!(json["contents"]["in/note.txt"].get("local_path").is_none());
    }

    #[test]
    fn what_cannot_be_taken_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let code = |path: &Path| {
            take(path, &ArtifactSpec::default(), &folder.path().join("keep")).unwrap_err().code()
        };
        assert_eq!(code(Path::new("/nonexistent/x")), "wandb.artifact_unreadable");
        let looped = folder.path().join("looped");
        fs::create_dir(&looped).unwrap();
        std::os::unix::fs::symlink(&looped, looped.join("again")).unwrap();
        assert_eq!(code(&looped), "wandb.artifact_loop");
        assert_eq!(code(Path::new("/dev/zero")), "wandb.artifact_special");
    }
}
