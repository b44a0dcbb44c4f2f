//! The drawing in `ARCHITECTURE.md` of who uses whom is what the manifests and the imports say.
//!
//! Each line of the drawing is a crate or, further in, a module of it, and after `->` those it uses. Whoever is used
//! stands higher; `^` marks those that do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;
use crate::workspace::Workspace;

const PAGE: &str = "ARCHITECTURE.md";
const START: &str = "## Who uses whom\n";

/// Crates that only help to build and test.
const TOOLS: [&str; 2] = ["testkit", "xtask"];

/// Names, and the names that each uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// What differs, one line each.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let page = fs::read_to_string(workspace.root().join(PAGE)).with_context(|| format!("no `{PAGE}`"))?;
    let drawing = page.split_once(START).map_or("", |(_, rest)| rest);
    let drawing = drawing.split("```").nth(1).with_context(|| format!("`{PAGE}` has no drawing"))?;
    let mut findings = upward(drawing);
    let drawn = read(drawing);
    let crates = crates(workspace)?;
    let used = crates.iter().map(|one| (one.name.clone(), one.uses.clone())).collect();
    findings.extend(differences("", drawn.get("").unwrap_or(&Uses::new()), &used));
    for one in &crates {
        let Some(drawn) = drawn.get(&one.name).filter(|modules| !modules.is_empty()) else { continue };
        findings.extend(differences(&format!("{}: ", one.name), drawn, &imports(&one.source)?));
    }
    Ok(findings)
}

/// The drawing by crate; under the empty name the crates themselves.
fn read(drawing: &str) -> BTreeMap<String, Uses> {
    let mut all = BTreeMap::<String, Uses>::new();
    let mut of = String::new();
    for (name, used, is_module) in lines(drawing) {
        let used = used.iter().map(|name| name.trim_start_matches('^').to_owned()).collect();
        if !is_module {
            name.clone_into(&mut of);
        }
        all.entry(if is_module { of.clone() } else { String::new() })
            .or_default()
            .insert(name.to_owned(), used);
    }
    all
}

/// Name, what it uses, and whether it is a module.
fn lines(drawing: &str) -> impl Iterator<Item = (&str, Vec<&str>, bool)> {
    drawing.lines().skip(1).filter(|line| !line.trim().is_empty()).map(|line| {
        let (name, used) = line.split_once("->").unwrap_or((line, ""));
        (name.trim(), used.split_whitespace().collect(), line.starts_with(' '))
    })
}

/// Arrows that point up without saying so, or say so without need.
fn upward(drawing: &str) -> Vec<String> {
    let (mut crates, mut modules) = (BTreeSet::new(), BTreeSet::new());
    let mut findings = Vec::new();
    for (name, used, is_module) in lines(drawing) {
        let above = if is_module { &mut modules } else { &mut crates };
        for used in used {
            let (bare, is_marked) = (used.trim_start_matches('^'), used.starts_with('^'));
            if above.contains(bare) == is_marked {
                findings
                    .push(format!("{PAGE}: `{name} -> {bare}`: what is used stands higher, or has a `^`"));
            }
        }
        above.insert(name);
        if !is_module {
            modules.clear();
        }
    }
    findings
}

fn differences(of: &str, drawn: &Uses, real: &Uses) -> Vec<String> {
    let none = BTreeSet::new();
    let names: BTreeSet<_> = drawn.keys().chain(real.keys()).collect();
    let mut findings = Vec::new();
    for name in names {
        let (drawn, real) = (drawn.get(name).unwrap_or(&none), real.get(name).unwrap_or(&none));
        let missing =
            real.difference(drawn).map(|used| format!("{PAGE}: {of}`{name} -> {used}` is not drawn"));
        findings.extend(missing);
        let gone = drawn.difference(real).map(|used| format!("{PAGE}: {of}`{name} -> {used}` is no import"));
        findings.extend(gone);
    }
    findings
}

struct Crate {
    name: String,
    uses: BTreeSet<String>,
    source: std::path::PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: std::path::PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

/// The crates of the product, and those of the workspace that each needs to be built.
fn crates(workspace: &Workspace) -> Result<Vec<Crate>> {
    let mut cargo = process::cargo(workspace);
    let text = process::capture(cargo.args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo said something else")?;
    let product = metadata.packages.into_iter().filter(|package| !TOOLS.contains(&&*package.name));
    let own = product.map(|package| {
        let needed = package.dependencies.into_iter().filter(|one| one.kind.is_none() && one.path.is_some());
        Crate {
            name: package.name,
            uses: needed.map(|one| one.name).collect(),
            source: package.manifest_path.with_file_name("src"),
        }
    });
    Ok(own.collect())
}

/// The modules at the top of a crate, and which of them each imports outside of tests.
fn imports(source: &Path) -> Result<Uses> {
    let mut files = Vec::new();
    list(source, &mut files)?;
    let top = |path: &Path| {
        let first = path.strip_prefix(source).ok()?.components().next()?;
        Some(Path::new(first.as_os_str()).with_extension("").to_string_lossy().into_owned())
    };
    let modules: BTreeSet<_> = files.iter().filter_map(|(path, _)| top(path)).collect();
    let root = files.iter().find(|(path, _)| top(path).as_deref() == Some("lib"));
    let shown = root.map(|(_, text)| re_exports(text)).unwrap_or_default();
    let mut uses: Uses = modules.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    for (path, text) in &files {
        let Some(module) = top(path) else { continue };
        let named = names(text, "crate::").into_iter();
        let named = named.map(|name| shown.get(&name).cloned().unwrap_or(name));
        let others: Vec<_> = named.filter(|name| *name != module && modules.contains(name)).collect();
        uses.entry(module).or_default().extend(others);
    }
    uses.retain(|module, _| !["lib", "main"].contains(&module.as_str()));
    Ok(uses)
}

/// Rust files without their tests and comments.
fn list(folder: &Path, files: &mut Vec<(std::path::PathBuf, String)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("could not list `{}`", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_test = name == "tests" || name.ends_with("_tests");
        if path.is_dir() && !is_test {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            let text =
                fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))?;
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = code.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
            files.push((path, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    Ok(())
}

/// By name, from which module the root of a crate shows it.
fn re_exports(root: &str) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for statement in root.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        let Some((module, rest)) = statement.trim_start_matches("self::").split_once("::") else { continue };
        for name in rest.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty()) {
            shown.insert(name.to_owned(), module.to_owned());
        }
    }
    shown
}

/// The first names of the paths that begin with `prefix`, also in braces.
fn names(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = BTreeSet::new();
    for rest in code.split(prefix).skip(1) {
        match rest.strip_prefix('{') {
            None => drop(found.insert(word(rest))),
            Some(group) => found.extend(members(group).into_iter().map(word)),
        }
    }
    found.remove("");
    found
}

/// What stands between commas, up to the brace that ends it.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (place, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                members.push(group.get(start..place).unwrap_or_default());
                start = place + 1;
                if byte == b'}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_is_what_the_imports_say() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(check(&workspace).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let code = "use crate::{a::{b, c}, d, e::F};\nlet x = crate::g::h();";
        assert_eq!(names(code, "crate::").into_iter().collect::<Vec<_>>(), ["a", "d", "e", "g"]);
        assert_eq!(re_exports("pub use self::m::{A, B as C};")["C"], "m");
    }

    #[test]
    fn what_differs_is_named() {
        let drawing = "text\na\nb -> a\n    one -> two\n    two\n";
        let findings = upward(drawing);
        assert_eq!(findings.len(), 1, "{findings:?}");
        let real = Uses::from([("b".to_owned(), BTreeSet::from(["c".to_owned()]))]);
        let findings = differences("", &read(drawing)[""], &real);
        assert!(
            findings[0].contains("`b -> c` is not drawn") && findings[1].contains("`b -> a` is no import")
        );
    }
}
