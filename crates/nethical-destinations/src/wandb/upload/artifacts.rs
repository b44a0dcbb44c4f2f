//! Artifacts and files of a run.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nethical_core::delivery::{Error, runtime};
use serde_json::{Value, json};

use super::super::api::{Api, Place};
use super::super::artifact::{digest_of, manifest_json, md5_base64};
use super::super::errors::not_an_answer;
use super::super::graphql::{
    Anything, CreatedArtifact, CreatedFiles, CreatedManifest, Query, RunFiles, Target,
};
use super::super::log::record::{Artifact, Manifest, ManifestEntry};
use super::super::recording::is_inside;
use super::parts::{Parts, digests};
use super::{ArtifactState, Assembly, Uploader, tell};
use crate::support::http::Request;

/// Files that are asked for at once.
const AT_ONCE: usize = 100;

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
        let upload = Upload {
            api: self.job.api.clone(),
            place,
            artifact: artifact.clone(),
            done: Arc::clone(done),
            parts: self.job.parts,
        };
        self.artifact = Some((*num, tokio::spawn(async move { upload.run().await })));
    }

    /// One has arrived, or not.
    pub(super) async fn artifact_ended(&mut self, num: i64, result: Result<String, Error>) {
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
                self.keep_artifact(num, &error).await;
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

    /// Among the dead letters.
    async fn keep_artifact(&self, num: i64, error: &Error) {
        let Some((_, artifact, _)) = self.waiting_artifacts.iter().find(|(other, ..)| *other == num) else {
            return;
        };
        let (refusals, directory) = (Arc::clone(&self.job.refusals), self.job.directory.clone());
        let (artifact, error) = (artifact.clone(), error.clone());
        let begun = self.assembly().map_or(0.0, Assembly::started);
        let keep = move || refusals.artifact(directory.log(), num, begun, &artifact, &error);
        // Without a thread the letter is missing, and the refusal is told and counted all the same.
        let _ = runtime::blocking(keep).await;
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

/// One artifact on its way.
struct Upload {
    api: Api,
    place: Place,
    artifact: Artifact,
    done: Arc<Done>,
    parts: Parts,
}

impl Upload {
    /// Create, files, manifest, commit. Returns its id.
    async fn run(&self) -> Result<String, Error> {
        let Self { api, place, artifact, .. } = self;
        let manifest = artifact.manifest.clone().unwrap_or_default();
        let created: CreatedArtifact = api.query(Query::CreateArtifact, &create(place, artifact)).await?;
        let created =
            created.create_artifact.ok_or_else(|| not_an_answer(Query::CreateArtifact.name()))?.artifact;
        let id = created.id.clone();
        if created.state == "COMMITTED" {
            return Ok(id);
        }
        let first = manifest_input(place, &id, created.base(), "", false);
        let named: CreatedManifest = api.query(Query::CreateManifest, &first).await?;
        let named =
            named.create_artifact_manifest.ok_or_else(|| not_an_answer(Query::CreateManifest.name()))?;
        for entries in self.left(&manifest).chunks(AT_ONCE) {
            self.put_files(&id, &named.artifact_manifest.id, entries).await?;
        }
        put_manifest(api, place, &id, created.base(), &manifest).await?;
        let _: Anything = api.query(Query::CommitArtifact, &json!({ "artifactID": id })).await?;
        Ok(id)
    }

    /// Files whose bytes have not arrived.
    fn left(&self, manifest: &Manifest) -> Vec<ManifestEntry> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = manifest.contents.iter().filter(|entry| entry.reference.is_empty());
        stored.filter(|entry| !done.contains(&entry.path)).cloned().collect()
    }

    async fn put_files(
        &self,
        artifact: &str,
        manifest: &str,
        entries: &[ManifestEntry],
    ) -> Result<(), Error> {
        let mut specs = Vec::with_capacity(entries.len());
        for entry in entries {
            let (entry, cut) = (entry.clone(), self.parts);
            let digests = runtime::blocking(move || {
                check(&entry)?;
                cut.of(size_of(&entry)).map_or_else(|| Ok(Vec::new()), |part| digests(&entry, part))
            });
            specs.push(digests.await??);
        }
        let spec = |(entry, digests): (&ManifestEntry, &Vec<String>)| {
            let number = |(index, md5): (usize, &String)| json!({ "partNumber": index + 1, "hexMD5": md5 });
            let parts =
                (!digests.is_empty()).then(|| digests.iter().enumerate().map(number).collect::<Vec<_>>());
            json!({ "artifactID": artifact, "artifactManifestID": manifest, "name": entry.path,
                "md5": entry.digest, "mimetype": null, "uploadPartsInput": parts })
        };
        let files: Vec<_> = entries.iter().zip(&specs).map(spec).collect();
        let variables = json!({ "input": { "artifactFiles": files, "storageLayout": "V2" } });
        let answer: CreatedFiles = self.api.query(Query::CreateFiles, &variables).await?;
        let files =
            answer.create_artifact_files.ok_or_else(|| not_an_answer(Query::CreateFiles.name()))?.files;
        if files.edges.len() != entries.len() {
            return Err(not_an_answer(Query::CreateFiles.name()));
        }
        for (entry, edge) in entries.iter().zip(files.edges) {
            self.put_file(entry, &edge.node).await?;
            self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.path.clone());
        }
        Ok(())
    }

    /// In parts where the server has said where they go. Without any address it has the bytes.
    async fn put_file(&self, entry: &ManifestEntry, target: &Target) -> Result<(), Error> {
        let (path, size) = (Path::new(&entry.local_path), size_of(entry));
        match (&target.upload_multipart_urls, self.parts.of(size)) {
            (Some(multipart), Some(part)) if target.upload_url.is_none() => {
                self.api.put_parts(path, size, part, target, multipart).await
            }
            _ => self.api.put_whole(target, path, size).await,
        }
    }
}

fn size_of(entry: &ManifestEntry) -> u64 {
    u64::try_from(entry.size).unwrap_or(0)
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
