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

#[test]
fn every_page_is_in_the_summary_and_the_summary_names_no_other() {
    let docs = root().join("docs");
    let summary: BTreeSet<_> = links(&read(&docs.join("SUMMARY.md"))).into_iter().collect();
    let pages = book().into_iter().map(|page| page.path.strip_prefix(&docs).unwrap().display().to_string());
    let pages: BTreeSet<_> = pages.filter(|page| page != "SUMMARY.md").collect();
    assert_eq!(summary, pages);
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
    for Page { path, text } in documents() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", path.display());
            if !anchor.is_empty() {
                assert!(anchors(&read(&target)).contains(anchor), "{} links to {link}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}
