//! `cargo xtask sbom`: what the program is made of, as CycloneDX 1.5 (<https://cyclonedx.org/docs/1.5/json/>).
//!
//! It lists what is linked into the `nethical` binary, which the wheel contains too: versions, licences, sources and the checksums
//! of the lock file. The same sources give the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::process;
use crate::terminal;
use crate::workspace::Workspace;

/// The package whose binary people run.
const ROOT: &str = "nethical-cli";

/// Options of `cargo xtask sbom`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to write it.
    #[arg(long, default_value = "target/nethical.cdx.json")]
    output: PathBuf,
}

/// Writes it.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let bom = bom(workspace)?;
    let path = workspace.root().join(&args.output);
    let text = serde_json::to_string_pretty(&bom)? + "\n";
    fs::write(&path, text).with_context(|| format!("could not write `{}`", path.display()))?;
    terminal::note(&format!("{} components in `{}`", bom.components.len(), args.output.display()));
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: About,
    components: Vec<Component>,
    dependencies: Vec<Edges>,
}

#[derive(Serialize)]
struct About {
    component: Component,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    bom_ref: String,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    licenses: Vec<License>,
    purl: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(rename = "externalReferences", skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
}

#[derive(Serialize)]
struct License {
    expression: String,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edges {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

/// What cargo says of the workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    description: Option<String>,
    license: Option<String>,
    repository: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

fn bom(workspace: &Workspace) -> Result<Bom> {
    let host = process::capture(std::process::Command::new("rustc").arg("-vV"))?;
    let host =
        host.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let mut cargo = process::cargo(workspace);
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    cargo.args(["--manifest-path", &format!("crates/{ROOT}/Cargo.toml")]);
    let metadata: Metadata = serde_json::from_str(&process::capture(&mut cargo)?)?;
    let lock = fs::read_to_string(workspace.root().join("Cargo.lock")).context("no `Cargo.lock`")?;
    assemble(&metadata, &checksums(&lock)?)
}

/// By name and version.
fn checksums(lock: &str) -> Result<BTreeMap<(String, String), String>> {
    let lock: Lock = toml::from_str(lock).context("`Cargo.lock` is something else")?;
    let known = lock.package.into_iter().filter_map(|one| Some(((one.name, one.version), one.checksum?)));
    Ok(known.collect())
}

fn assemble(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>) -> Result<Bom> {
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&*package.id, package)).collect();
    let nodes: BTreeMap<_, _> = metadata.resolve.nodes.iter().map(|node| (&*node.id, linked(node))).collect();
    let root = metadata.packages.iter().find(|package| package.name == ROOT);
    let root = root.with_context(|| format!("no package `{ROOT}`"))?;
    let needed = reachable(&root.id, &nodes);
    let component = |id: &str| {
        let package = packages.get(id).with_context(|| format!("cargo names no package `{id}`"))?;
        Ok(component(package, checksums))
    };
    let others = needed.iter().filter(|id| **id != root.id);
    let name = |id: &&str| packages.get(id).map(|package| purl(package));
    let edges = needed.iter().filter_map(|id| {
        let depends_on = nodes.get(id)?.iter().filter_map(name).collect();
        Some(Edges { of: name(id)?, depends_on })
    });
    let mut components = others.map(|id| component(id)).collect::<Result<Vec<_>>>()?;
    components.sort_by(|one, other| one.purl.cmp(&other.purl));
    let mut dependencies: Vec<_> = edges.collect();
    dependencies.sort_by(|one, other| one.of.cmp(&other.of));
    Ok(Bom {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        version: 1,
        metadata: About { component: Component { kind: "application", ..component(&root.id)? } },
        components,
        dependencies,
    })
}

/// What is linked, or runs in the build and may put code into it.
fn linked(node: &Node) -> BTreeSet<&str> {
    let counts = |dep: &&Dep| dep.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
    node.deps.iter().filter(counts).map(|dep| &*dep.pkg).collect()
}

fn reachable<'a>(root: &'a str, nodes: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let (mut found, mut next) = (BTreeSet::from([root]), VecDeque::from([root]));
    while let Some(id) = next.pop_front() {
        next.extend(nodes.get(id).into_iter().flatten().filter(|id| found.insert(**id)));
    }
    found
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

fn component(package: &Package, checksums: &BTreeMap<(String, String), String>) -> Component {
    let checksum = checksums.get(&(package.name.clone(), package.version.clone()));
    let expression = |license: &String| License { expression: license.replace('/', " OR ") };
    let vcs = |url: &String| Reference { kind: "vcs", url: url.clone() };
    Component {
        kind: "library",
        bom_ref: purl(package),
        name: package.name.clone(),
        version: package.version.clone(),
        description: package
            .description
            .as_ref()
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")),
        licenses: package.license.iter().map(expression).collect(),
        purl: purl(package),
        hashes: checksum.iter().map(|sum| Hash { alg: "SHA-256", content: (*sum).clone() }).collect(),
        references: package.repository.iter().map(vcs).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lists_what_is_linked_with_licence_and_checksum() {
        let bom = bom(&Workspace::find().unwrap()).unwrap();
        assert_eq!(bom.metadata.component.name, ROOT);
        let names: BTreeSet<_> = bom.components.iter().map(|one| one.name.as_str()).collect();
        assert!(names.contains("tokio") && names.contains("nethical-core"));
        assert!(!names.contains("proptest") && !names.contains("xtask"), "not what only tests use");
        for one in &bom.components {
            assert!(!one.licenses.is_empty(), "{} has no licence", one.name);
            assert!(
                one.name.starts_with("nethical") || one.hashes.len() == 1,
                "{} has no checksum",
                one.name
            );
        }
        let known: BTreeSet<_> =
            bom.components.iter().chain([&bom.metadata.component]).map(|one| &one.bom_ref).collect();
        assert_eq!(known.len(), bom.components.len() + 1);
        assert!(bom.dependencies.iter().all(|edges| edges.depends_on.iter().all(|id| known.contains(id))));
    }
}
