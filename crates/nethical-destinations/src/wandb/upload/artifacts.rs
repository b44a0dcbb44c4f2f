//! Artifacts and files of a run.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};
use nethical_core::delivery::{Error, runtime};
use serde_json::{Value, json};

use super::super::api::{Api, Place};
use super::super::artifact::{digest_of, hex, manifest_json, md5_base64};
use super::super::errors::not_an_answer;
use super::super::file::Part;
use super::super::graphql::{
    Anything, CreatedArtifact, CreatedFiles, CreatedManifest, Query, RunFiles, Target,
};
use super::super::log::record::{Artifact, Manifest, ManifestEntry};
use super::super::recording::is_inside;
use super::{ArtifactState, Uploader, tell};
use crate::support::http::Request;

/// Files that are asked for at once.
const AT_ONCE: usize = 100;

/// Files of this size go in parts (2 GiB), which are this large (100 MiB).
const MULTIPART_FROM: u64 = 2 << 30;
const PART: u64 = 100 << 20;

/// Files of an artifact that have arrived, so that a second attempt does not send them again.
pub(super) type Done = Mutex<HashSet<String>>;

impl Uploader {
    /// Takes over the artifacts that were read.
    pub(super) fn queue_artifacts(&mut self) {
        let Some(assembly) = &mut self.assembly else { return };
        for (num, artifact) in assembly.artifacts.drain(..) {
            if self.state.artifacts.contains(&num) {
                self.job.progress.change(|known| known.confirmed += 1);
                continue;
            }
            self.job.progress.change(|known| drop(known.artifacts.insert(num, ArtifactState::Waiting)));
            self.waiting_artifacts.push((num, artifact, Arc::default()));
        }
    }

    /// Uploads the next one, beside everything else.
    pub(super) fn start_artifact(&mut self) {
        let Some(place) = self.place().filter(|_| self.artifact.is_none()) else { return };
        let Some((num, artifact, done)) = self.waiting_artifacts.first() else { return };
        let upload = upload(self.job.api.clone(), place, artifact.clone(), Arc::clone(done));
        self.artifact = Some((*num, tokio::spawn(upload)));
    }

    /// One has arrived, or not.
    pub(super) fn artifact_ended(&mut self, num: i64, result: Result<String, Error>) {
        match result {
            Ok(id) => {
                self.state.artifacts.push(num);
                // If the disk does not take it the server knows the repeat by its digest and client id.
                let _ = self.job.directory.set_state(&self.state);
                self.job.progress.change(|known| {
                    known.confirmed += 1;
                    known.artifacts.insert(num, ArtifactState::Committed(id));
                });
                let change = self.job.turns.succeeded();
                tell(&self.job.observer, &self.job.name, change);
            }
            Err(error) if error.is_endpoint_fault() => {
                let change = self.job.turns.failed(&error);
                return tell(&self.job.observer, &self.job.name, change);
            }
            Err(error) => {
                let change = self.job.turns.refused(&error);
                tell(&self.job.observer, &self.job.name, change);
                self.job.progress.change(|known| {
                    known.refused += 1;
                    known.artifacts.insert(num, ArtifactState::Failed(error));
                });
            }
        }
        self.waiting_artifacts.retain(|(other, ..)| *other != num);
    }

    /// Puts the files of the run that have not arrived. Whether there were any.
    pub(super) async fn send_files(&mut self) -> Result<bool, Error> {
        let (Some(place), Some(assembly)) = (self.place(), &self.assembly) else { return Ok(false) };
        let records = assembly.file_records;
        let fresh: Vec<String> =
            assembly.files.iter().filter(|path| !self.files_sent.contains(*path)).cloned().collect();
        if fresh.is_empty() {
            return Ok(false);
        }
        let folder = self.job.directory.files();
        let sized = runtime::blocking(move || sizes(&folder, fresh)).await?;
        let there: Vec<&String> =
            sized.iter().filter(|(_, size)| size.is_some()).map(|(path, _)| path).collect();
        if !there.is_empty() {
            let Place { entity, project, run } = &place;
            let variables = json!({ "entity": entity, "project": project, "run": run, "files": there });
            let answer: RunFiles = self.job.api.query(Query::RunFiles, &variables).await?;
            let urls = answer.create_run_files.ok_or_else(|| not_an_answer(Query::RunFiles.name()))?;
            for target in urls.files {
                let Some(size) =
                    sized.iter().find(|(path, _)| *path == target.name).and_then(|(_, size)| *size)
                else {
                    continue;
                };
                let path = self.job.directory.files().join(&target.name);
                let target = Target { upload_headers: urls.upload_headers.clone(), ..target };
                self.job.api.put_whole(&target, &path, size).await?;
                self.uploaded.push(target.name);
            }
        }
        self.files_sent.extend(sized.into_iter().map(|(path, _)| path));
        let newly = records - std::mem::replace(&mut self.file_records, records);
        self.job.progress.change(|known| known.confirmed += newly);
        Ok(true)
    }
}

/// Which of these are there, and how large. What leads out of the folder is not.
fn sizes(folder: &Path, paths: Vec<String>) -> Vec<(String, Option<u64>)> {
    let size = |path: &String| {
        let about = std::fs::metadata(folder.join(path)).ok().filter(|about| about.is_file())?;
        is_inside(path).then_some(about.len())
    };
    paths
        .into_iter()
        .map(|path| {
            let size = size(&path);
            (path, size)
        })
        .collect()
}

/// Uploads an artifact: create, files, manifest, commit. Returns its id.
async fn upload(api: Api, place: Place, artifact: Artifact, done: Arc<Done>) -> Result<String, Error> {
    let manifest = artifact.manifest.clone().unwrap_or_default();
    let created: CreatedArtifact = api.query(Query::CreateArtifact, &create(&place, &artifact)).await?;
    let created =
        created.create_artifact.ok_or_else(|| not_an_answer(Query::CreateArtifact.name()))?.artifact;
    let id = created.id.clone();
    if created.state == "COMMITTED" {
        return Ok(id);
    }
    let first = manifest_input(&place, &id, created.base(), "", false);
    let named: CreatedManifest = api.query(Query::CreateManifest, &first).await?;
    let named = named.create_artifact_manifest.ok_or_else(|| not_an_answer(Query::CreateManifest.name()))?;
    let manifest_id = named.artifact_manifest.id;
    let left: Vec<ManifestEntry> = {
        let done = done.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = manifest.contents.iter().filter(|entry| entry.reference.is_empty());
        stored.filter(|entry| !done.contains(&entry.path)).cloned().collect()
    };
    for entries in left.chunks(AT_ONCE) {
        put_files(&api, &id, &manifest_id, entries, &done).await?;
    }
    put_manifest(&api, &place, &id, created.base(), &manifest).await?;
    let _: Anything = api.query(Query::CommitArtifact, &json!({ "artifactID": id })).await?;
    Ok(id)
}

fn create(place: &Place, artifact: &Artifact) -> Value {
    let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let alias = |alias: &String| json!({ "artifactCollectionName": artifact.name, "alias": alias });
    json!({ "input": {
        "entityName": place.entity,
        "projectName": place.project,
        "runName": place.run,
        "artifactTypeName": artifact.artifact_type,
        "artifactCollectionName": artifact.name,
        "digest": artifact.digest,
        "digestAlgorithm": "MANIFEST_MD5",
        "clientID": artifact.client_id,
        "sequenceClientID": artifact.sequence_client_id,
        "enableDigestDeduplication": true,
        "aliases": artifact.aliases.iter().map(alias).collect::<Vec<_>>(),
        "description": given(&artifact.description),
        "metadata": given(&artifact.metadata),
    } })
}

fn manifest_input(place: &Place, id: &str, base: Option<&str>, digest: &str, upload: bool) -> Value {
    json!({
        "name": "wandb_manifest.json",
        "digest": digest,
        "artifactID": id,
        "baseArtifactID": base,
        "entityName": place.entity,
        "projectName": place.project,
        "runName": place.run,
        "includeUpload": upload,
        "type": "FULL",
    })
}

async fn put_files(
    api: &Api,
    artifact: &str,
    manifest: &str,
    entries: &[ManifestEntry],
    done: &Done,
) -> Result<(), Error> {
    let mut specs = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = entry.clone();
        let parts = runtime::blocking(move || check(&entry).and_then(|()| parts_of(&entry))).await??;
        specs.push(parts);
    }
    let spec = |(entry, parts): (&ManifestEntry, &Vec<String>)| {
        let number = |(index, md5): (usize, &String)| json!({ "partNumber": index + 1, "hexMD5": md5 });
        let parts = (!parts.is_empty()).then(|| parts.iter().enumerate().map(number).collect::<Vec<_>>());
        json!({ "artifactID": artifact, "artifactManifestID": manifest, "name": entry.path, "md5": entry.digest,
            "mimetype": null, "uploadPartsInput": parts })
    };
    let files: Vec<_> = entries.iter().zip(&specs).map(spec).collect();
    let variables = json!({ "input": { "artifactFiles": files, "storageLayout": "V2" } });
    let answer: CreatedFiles = api.query(Query::CreateFiles, &variables).await?;
    let edges =
        answer.create_artifact_files.ok_or_else(|| not_an_answer(Query::CreateFiles.name()))?.files.edges;
    if edges.len() != entries.len() {
        return Err(not_an_answer(Query::CreateFiles.name()));
    }
    for (entry, edge) in entries.iter().zip(edges) {
        let (path, size) = (Path::new(&entry.local_path), u64::try_from(entry.size).unwrap_or(0));
        match &edge.node.upload_multipart_urls {
            Some(_) if edge.node.upload_url.is_none() => put_parts(api, path, size, &edge.node).await?,
            _ => api.put_whole(&edge.node, path, size).await?,
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.path.clone());
    }
    Ok(())
}

/// Whether a file is still what it was.
fn check(entry: &ManifestEntry) -> Result<(), Error> {
    let changed = |what: &str| {
        let text = format!("wandb: {} {what}", entry.local_path);
        Err(Error::refused("wandb.artifact_changed", text)
            .with_hint("log it again, with a copy, which may not change afterwards"))
    };
    let path = Path::new(&entry.local_path);
    let Ok(about) = std::fs::metadata(path) else { return changed("is not there any more") };
    if i64::try_from(about.len()).ok() != Some(entry.size) {
        return changed("has another size than when it was logged");
    }
    match digest_of(path) {
        Ok((digest, _)) if digest == entry.digest => Ok(()),
        Ok(_) => changed("has changed since it was logged"),
        Err(error) => Err(error),
    }
}

/// The digests of the parts of a file that is too large for one request.
fn parts_of(entry: &ManifestEntry) -> Result<Vec<String>, Error> {
    use std::io::Read;
    const READ: u64 = 1 << 20;
    let size = u64::try_from(entry.size).unwrap_or(0);
    if size < MULTIPART_FROM {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| {
        Error::refused(
            "wandb.artifact_unreadable",
            format!("wandb: cannot read {}: {error}", entry.local_path),
        )
    };
    let mut file = std::fs::File::open(&entry.local_path).map_err(failed)?;
    let mut parts = Vec::new();
    let mut left = size;
    while left > 0 {
        let mut hash = Md5::new();
        let mut in_part = left.min(PART);
        left -= in_part;
        while in_part > 0 {
            let mut piece = Vec::new();
            let read = (&mut file).take(in_part.min(READ)).read_to_end(&mut piece).map_err(failed)?;
            if read == 0 {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
            hash.update(&piece);
            in_part -= read as u64;
        }
        parts.push(hex(&hash.finalize()));
    }
    Ok(parts)
}

async fn put_parts(api: &Api, path: &Path, size: u64, target: &Target) -> Result<(), Error> {
    let Some(multipart) = &target.upload_multipart_urls else { return Ok(()) };
    let mut completed = Vec::with_capacity(multipart.parts.len());
    for part in &multipart.parts {
        let start = (part.part_number.saturating_sub(1)) * PART;
        let length = size.saturating_sub(start).min(PART);
        let piece = Part { path: path.to_owned(), start, length };
        let answer = api.put(&part.upload_url, &[], piece).await?;
        completed.push(
            json!({ "partNumber": part.part_number, "hexMD5": answer.header("etag").unwrap_or_default() }),
        );
    }
    let variables = json!({
        "completeMultipartAction": "Complete",
        "completedParts": completed,
        "artifactID": target.artifact.as_ref().map(|artifact| &artifact.id),
        "storagePath": target.storage_path,
        "uploadID": multipart.upload_id,
    });
    let _: Anything = api.query(Query::CompleteMultipart, &variables).await?;
    Ok(())
}

async fn put_manifest(
    api: &Api,
    place: &Place,
    id: &str,
    base: Option<&str>,
    manifest: &Manifest,
) -> Result<(), Error> {
    let bytes = manifest_json(manifest, id);
    let input = manifest_input(place, id, base, &md5_base64(&bytes), true);
    let named: CreatedManifest = api.query(Query::CreateManifest, &input).await?;
    let target = named.create_artifact_manifest.and_then(|named| named.artifact_manifest.file);
    let target = target.ok_or_else(|| not_an_answer(Query::CreateManifest.name()))?;
    api.put_bytes(&target, bytes).await
}

impl Api {
    /// Puts bytes that are in memory where the server wants them.
    async fn put_bytes(&self, target: &Target, bytes: Vec<u8>) -> Result<(), Error> {
        let Some(url) = target.upload_url.clone() else { return Ok(()) };
        let headers = target.upload_headers.iter().filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
        self.put_request(Request { method: "PUT", url, headers, body: bytes.into() }).await
    }
}
