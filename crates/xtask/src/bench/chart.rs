//! A chart of one contest: a bar for each contestant, with a line from the worst to the best round.

use std::fmt::Write as _;

use super::report::figure;
use super::results::{Document, Entry};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 250.0;
const ROOM: f64 = 380.0;
const ROW: f64 = 30.0;
const TOP: f64 = 44.0;

/// Colours that read well on a light and on a dark page.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.about{font-weight:600}.bar{fill:#8c959f}\
    .ours{fill:#0969da}.range{stroke:#1f2328;stroke-width:1.5}@media (prefers-color-scheme: dark)\
    {text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#4493f8}.range{stroke:#e6edf3}}";

/// The chart as SVG. Of a sheet it shows the first figure.
pub(super) fn draw(document: &Document) -> String {
    let (unit, bars) = bars(document);
    let most = bars.iter().map(|bar| bar.most()).fold(f64::MIN_POSITIVE, f64::max);
    let height = ROW.mul_add(bars.len() as f64, TOP) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <text class=\"about\" x=\"10\" y=\"24\">{}: {}</text>\n",
        escaped(&document.contest),
        escaped(&unit)
    );
    for (row, bar) in bars.iter().enumerate() {
        let y = ROW.mul_add(row as f64, TOP);
        let length = |value: f64| value / most * ROOM;
        let class = if bar.name.starts_with("nethical") { "bar ours" } else { "bar" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LABELS}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"20\" rx=\"2\"/>",
            LABELS - 8.0,
            y + 15.0,
            escaped(bar.name),
            length(bar.value).max(1.0),
        );
        if let Some((low, high)) = bar.range {
            let _ = writeln!(
                svg,
                "<line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{mid:.0}\" y2=\"{mid:.0}\"/>",
                LABELS + length(low),
                LABELS + length(high),
                mid = y + 10.0
            );
        }
        let after = LABELS + length(bar.most()) + 8.0;
        let _ = writeln!(svg, "<text x=\"{after:.1}\" y=\"{:.0}\">{}</text>", y + 15.0, figure(bar.value));
    }
    svg + "</svg>\n"
}

struct Bar<'a> {
    name: &'a str,
    value: f64,
    range: Option<(f64, f64)>,
}

impl Bar<'_> {
    fn most(&self) -> f64 {
        self.range.map_or(self.value, |(low, high)| low.max(high).max(self.value))
    }
}

fn bars(document: &Document) -> (String, Vec<Bar<'_>>) {
    let entries = document.contestants.iter();
    if let Some(first) = document.figures.first() {
        let value = |entry: &Entry| entry.figure(&first.key);
        let bars =
            entries.filter_map(|entry| Some(Bar { name: &entry.name, value: value(entry)?, range: None }));
        return (first.shown.clone(), bars.collect());
    }
    let entries = entries.map(|entry| Bar {
        name: &entry.name,
        value: entry.median,
        range: Some((entry.worst, entry.best)),
    });
    (document.unit.clone(), entries.collect())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
