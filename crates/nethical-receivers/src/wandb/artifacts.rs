//! Artifacts: every digest is computed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::api::Said;
use super::state::{Slot, State};

/// An artifact as the server has it.
#[derive(Debug, Clone, Default)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The run that made it.
    pub run: String,
    /// Names of this version.
    pub aliases: Vec<String>,
    /// Whether it was committed, with everything in it.
    pub committed: bool,
    /// The bytes that have come, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    digest: String,
    client: String,
    manifest: Option<Value>,
    /// Parts of files that are not put together yet, by name and number.
    parts: BTreeMap<String, BTreeMap<u64, Vec<u8>>>,
    /// Announced digests, by name.
    announced: BTreeMap<String, String>,
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn id_of(index: usize) -> String {
    format!("QXJ0{index}")
}

fn index_of(state: &State, id: &str) -> Result<usize, (u16, String)> {
    let index = id.strip_prefix("QXJ0").and_then(|number| number.parse::<usize>().ok());
    index.filter(|index| *index < state.artifacts.len()).ok_or_else(|| (404, "no such artifact".to_owned()))
}

pub(super) fn create(state: &mut State, variables: &Value) -> Said {
    let input = variables.get("input").unwrap_or(variables);
    let (name, client) = (text(input, "artifactCollectionName"), text(input, "clientID"));
    if name.is_empty() || name.chars().count() > 128 || name.contains('/') {
        return Err((400, state.violation(format!("`{name}` is no name of an artifact"))));
    }
    let latest = state.artifacts.iter().rposition(|other| other.name == name && other.committed);
    let same = |other: &Artifact| {
        let repeat = !client.is_empty() && other.client == client;
        repeat || other.committed && other.name == name && other.digest == text(input, "digest")
    };
    let index = state.artifacts.iter().position(same).unwrap_or_else(|| {
        let aliases = input.get("aliases").and_then(Value::as_array).into_iter().flatten();
        state.artifacts.push(Artifact {
            name: name.to_owned(),
            kind: text(input, "artifactTypeName").to_owned(),
            run: text(input, "runName").to_owned(),
            aliases: aliases.map(|alias| text(alias, "alias").to_owned()).collect(),
            digest: text(input, "digest").to_owned(),
            client: client.to_owned(),
            ..Artifact::default()
        });
        state.artifacts.len() - 1
    });
    let committed = state.artifacts.get(index).is_some_and(|artifact| artifact.committed);
    let latest = latest.map(|index| json!({ "id": id_of(index), "versionIndex": index }));
    Ok(json!({ "createArtifact": { "artifact": {
        "id": id_of(index), "state": if committed { "COMMITTED" } else { "PENDING" },
        "artifactSequence": { "id": "U2Vx", "latestArtifact": latest },
    } } }))
}

/// The type of the artifacts of a name, which the official client asks for first.
pub(super) fn kind(state: &State, variables: &Value) -> Value {
    let name = text(variables, "name").split(':').next().unwrap_or_default();
    let known = state.artifacts.iter().rfind(|artifact| artifact.name == name);
    json!({ "project": { "artifact": known.map(|known| json!({ "artifactType": { "name": known.kind } })) } })
}

pub(super) fn manifest(state: &mut State, variables: &Value, base: &str) -> Said {
    let artifact = index_of(state, text(variables, "artifactID"))?;
    let wanted = variables.get("includeUpload").and_then(Value::as_bool).unwrap_or(false);
    let md5 = text(variables, "digest").to_owned();
    let file = wanted.then(|| {
        let url = state.slot(base, Slot::Manifest { artifact, md5 });
        json!({ "id": "RmlsZQ==", "name": "wandb_manifest.json", "uploadUrl": url, "uploadHeaders": [] })
    });
    Ok(
        json!({ "createArtifactManifest": { "artifactManifest": { "id": format!("TWFu{artifact}"), "file": file } } }),
    )
}

pub(super) fn files(state: &mut State, variables: &Value, base: &str) -> Said {
    let input = variables.get("input").unwrap_or(variables);
    let specs = input.get("artifactFiles").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut edges = Vec::with_capacity(specs.len());
    for spec in &specs {
        let (id, name, md5) = (text(spec, "artifactID"), text(spec, "name"), text(spec, "md5"));
        let artifact = index_of(state, id)?;
        if let Some(artifact) = state.artifacts.get_mut(artifact) {
            artifact.announced.insert(name.to_owned(), md5.to_owned());
        }
        let (url, urls) = match spec.get("uploadPartsInput").and_then(Value::as_array) {
            Some(parts) => (None, Some(multipart(state, base, artifact, name, parts)?)),
            None => {
                let entry = Slot::Entry { artifact, name: name.to_owned(), md5: md5.to_owned() };
                (Some(state.slot(base, entry)), None)
            }
        };
        edges.push(json!({ "node": {
            "id": "RmlsZQ==", "name": name, "displayName": name, "storagePath": format!("wandb_artifacts/{name}"),
            "uploadUrl": url, "uploadMultipartUrls": urls, "artifact": { "id": id },
            "uploadHeaders": [format!("Content-MD5:{md5}"), "Content-Type:application/octet-stream"],
        } }));
    }
    Ok(json!({ "createArtifactFiles": { "files": { "edges": edges } } }))
}

/// Addresses for the parts of a file, which are numbered from 1 without a gap.
fn multipart(
    state: &mut State,
    base: &str,
    artifact: usize,
    name: &str,
    parts: &[Value],
) -> Result<Value, (u16, String)> {
    let mut urls = Vec::with_capacity(parts.len());
    for (expected, part) in (1..).zip(parts) {
        let number = part.get("partNumber").and_then(Value::as_u64);
        if number != Some(expected) {
            return Err((400, state.violation(format!("{name}: part {number:?} where {expected} belongs"))));
        }
        let md5 = text(part, "hexMD5").to_owned();
        let url = state.slot(base, Slot::Part { artifact, name: name.to_owned(), number: expected, md5 });
        urls.push(json!({ "partNumber": expected, "uploadUrl": url }));
    }
    if let Some(artifact) = state.artifacts.get_mut(artifact) {
        // A new upload of the same file begins with nothing.
        artifact.parts.insert(name.to_owned(), BTreeMap::new());
    }
    Ok(json!({ "uploadID": format!("upload of {name}"), "uploadUrlParts": urls }))
}

/// Puts a file together from its parts.
pub(super) fn complete(state: &mut State, variables: &Value) -> Said {
    let index = index_of(state, text(variables, "artifactID"))?;
    let name = text(variables, "storagePath").trim_start_matches("wandb_artifacts/").to_owned();
    let named: BTreeMap<u64, String> = variables
        .get("completedParts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|part| Some((part.get("partNumber")?.as_u64()?, text(part, "hexMD5").to_owned())))
        .collect();
    let Some(artifact) = state.artifacts.get_mut(index) else {
        return Err((404, "no such artifact".to_owned()));
    };
    let parts = artifact.parts.remove(&name).unwrap_or_default();
    let come: BTreeMap<u64, String> = parts.iter().map(|(number, bytes)| (*number, tag(bytes))).collect();
    let whole: Vec<u8> = parts.into_values().flatten().collect();
    let digest = STANDARD.encode(Md5::digest(&whole));
    let announced = artifact.announced.get(&name) == Some(&digest);
    let wrong = text(variables, "uploadID") != format!("upload of {name}");
    if wrong || come != named || !announced {
        return Err((400, state.violation(format!("{name}: its parts are not those that were announced"))));
    }
    artifact.files.insert(name, whole);
    Ok(json!({ "completeMultipartUploadArtifact": { "digest": digest } }))
}

/// What an upload is answered with, as S3 does it.
pub(super) fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn commit(state: &mut State, variables: &Value) -> Said {
    let index = index_of(state, text(variables, "artifactID"))?;
    let Some(artifact) = state.artifacts.get(index) else { return Err((404, "no such artifact".to_owned())) };
    let faults = faults(artifact);
    let name = artifact.name.clone();
    if !faults.is_empty() {
        return Err((400, state.violation(format!("artifact {name}: {}", faults.join(", ")))));
    }
    let digest = artifact.digest.clone();
    if let Some(artifact) = state.artifacts.get_mut(index) {
        artifact.committed = true;
    }
    Ok(json!({ "commitArtifact": { "artifact": { "id": id_of(index), "digest": digest } } }))
}

/// What keeps an artifact from being whole.
fn faults(artifact: &Artifact) -> Vec<String> {
    let missing = |name: &&String| !artifact.files.contains_key(*name);
    let mut faults: Vec<String> =
        artifact.announced.keys().filter(missing).map(|name| format!("{name} has not come")).collect();
    let Some(contents) =
        artifact.manifest.as_ref().and_then(|manifest| manifest.get("contents")?.as_object())
    else {
        faults.push("no manifest has come".to_owned());
        return faults;
    };
    let mut hash = Md5::new_with_prefix(b"wandb-artifact-manifest-v1\n");
    let mut entries: Vec<(&String, &str)> =
        contents.iter().map(|(name, entry)| (name, text(entry, "digest"))).collect();
    entries.sort_unstable();
    for (name, digest) in entries {
        hash.update(format!("{name}:{digest}\n"));
        let size = contents.get(name).and_then(|entry| entry.get("size")?.as_u64());
        if artifact.files.get(name).is_some_and(|bytes| Some(bytes.len() as u64) != size) {
            faults.push(format!("{name} has another size than the manifest says"));
        }
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != artifact.digest {
        faults.push("the digest is not that of the contents".to_owned());
    }
    faults
}

/// Keep bytes that were put at an address.
pub(super) fn store(state: &mut State, slot: Slot, header: Option<&str>, body: &[u8]) -> Result<(), String> {
    let digest = STANDARD.encode(Md5::digest(body));
    if header.is_some_and(|given| given != digest) {
        return Err("the bytes are not those of Content-MD5".to_owned());
    }
    match slot {
        Slot::File { run, name } => {
            let found = state.runs.values_mut().find(|other| other.id == run);
            if let Some(run) = found {
                run.files.insert(name, body.to_owned());
            }
        }
        Slot::Entry { name, md5, .. } if md5 != digest => {
            return Err(format!("{name}: not the bytes that were announced"));
        }
        Slot::Entry { artifact, name, .. } => {
            if let Some(artifact) = state.artifacts.get_mut(artifact) {
                artifact.files.insert(name, body.to_owned());
            }
        }
        Slot::Part { name, number, md5, .. } if md5 != hex(body) => {
            return Err(format!("{name}: part {number} is not what was announced"));
        }
        Slot::Part { artifact, name, number, .. } => {
            let parts = state.artifacts.get_mut(artifact).and_then(|artifact| artifact.parts.get_mut(&name));
            let Some(parts) = parts else { return Err(format!("{name}: no upload in parts is under way")) };
            parts.insert(number, body.to_owned());
        }
        Slot::Manifest { md5, .. } if md5 != digest => {
            return Err("not the manifest that was announced".to_owned());
        }
        Slot::Manifest { artifact, .. } => {
            if let Some(artifact) = state.artifacts.get_mut(artifact) {
                artifact.manifest = serde_json::from_slice(body).ok();
            }
        }
    }
    Ok(())
}
