use std::fmt;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use nethical_destinations::support::options::{OptionsError, Span};

use super::Document;
use super::masking::masked;

/// Everything that is wrong with a configuration.
#[derive(Clone)]
pub struct ConfigError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    name: Arc<str>,
    text: Arc<str>,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where: bytes of the text.
    pub span: Option<Span>,
}

impl From<&OptionsError> for Problem {
    fn from(error: &OptionsError) -> Self {
        Self { message: error.to_string(), hint: error.hint(), span: error.span() }
    }
}

impl ConfigError {
    pub(super) fn new(document: &Document, errors: &[OptionsError]) -> Self {
        Self::from_problems(document, errors.iter().map(Problem::from).collect())
    }

    pub(super) fn from_problems(document: &Document, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        Self(Box::new(Inner { name: Arc::clone(&document.name), text: Arc::clone(&document.text), problems }))
    }

    /// All that is wrong, in the order of the text.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// What the text is called: the path of its file.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The line and the column, from 1, at which a problem begins.
    pub fn position(&self, problem: &Problem) -> Option<(usize, usize)> {
        let before = self.0.text.get(..problem.span.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..)?.chars().count() + 1;
        Some((before.matches('\n').count() + 1, column))
    }

    /// Every problem with its line, and a mark under what is wrong. Secrets in the line are not shown.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let text = masked(&self.0.text);
        let rendered = self.0.problems.iter().map(|problem| renderer.render(&self.groups(problem, &text)));
        rendered.collect::<Vec<_>>().join("\n\n")
    }

    fn groups<'a>(&'a self, problem: &'a Problem, text: &'a str) -> Vec<Group<'a>> {
        let title = Level::ERROR.primary_title(&problem.message);
        let Some(span) = self.visible(problem) else {
            let hint = problem.hint.iter().map(|hint| Group::with_title(Level::HELP.secondary_title(hint)));
            return std::iter::once(Group::with_title(title)).chain(hint).collect();
        };
        let snippet = Snippet::source(text).path(&*self.0.name);
        let hint = problem.hint.iter().map(|hint| Level::HELP.message(hint));
        vec![title.element(snippet.annotation(AnnotationKind::Primary.span(span))).elements(hint)]
    }

    /// The bytes of a problem, if they are whole characters of the text; only those of the first line.
    fn visible(&self, problem: &Problem) -> Option<Span> {
        let span = problem.span.clone()?;
        let written = self.0.text.get(span.clone())?;
        let first_line = written.lines().next().map_or(0, str::len);
        Some(span.start..span.start + first_line)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for ConfigError {}
