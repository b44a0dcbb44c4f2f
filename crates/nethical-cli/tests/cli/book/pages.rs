//! Whether everything is where it is said to be.

use std::collections::BTreeSet;

use nethical::destinations::ALL;

use super::{Page, book, documents, read, root};

/// What a text leads to: the targets of its links, code aside.
fn links(text: &str) -> Vec<String> {
    let outside_blocks = text.split("```").step_by(2).collect::<String>();
    let outside_code = outside_blocks.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let targets = outside_code.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
    targets.collect()
}

/// The names by which the headings of a page are reached.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let anchor = |line: &str| {
        line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>()
    };
    headings.map(|line| anchor(line).replace(' ', "-")).collect()
}

/// What the summary names is there: `every_link_leads_somewhere` looks at it too.
#[test]
fn every_page_is_found_from_the_summary_or_the_readme() {
    let named = |page: &str| links(&read(&root().join(page)));
    let mut known: BTreeSet<_> =
        named("docs/SUMMARY.md").into_iter().map(|link| format!("docs/{link}")).collect();
    known.extend(named("README.md"));
    for page in book() {
        let path = page.path.strip_prefix(root()).unwrap().display().to_string();
        assert!(path == "docs/SUMMARY.md" || known.contains(&path), "{path} is named nowhere");
    }
}

#[test]
fn the_summary_names_each_page_once() {
    let named = links(&read(&root().join("docs/SUMMARY.md")));
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "{named:?}");
}

#[test]
fn every_destination_has_a_page_with_its_guide() {
    for kind in ALL {
        let page = root().join(format!("docs/destinations/{}.md", kind.name));
        assert_eq!(read(&page).trim_end(), kind.docs.trim_end(), "{}", kind.name);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    let book = root().join("docs").canonicalize().unwrap();
    for Page { path, text } in documents() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", path.display());
            // Nothing else is in the book that is made of the pages.
            let leads_out = path.starts_with(&book) && !target.canonicalize().unwrap().starts_with(&book);
            assert!(!leads_out, "{} links to {link}, outside of the book", path.display());
            if !anchor.is_empty() {
                assert!(anchors(&read(&target)).contains(anchor), "{} links to {link}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}
