use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use nethical_core::delivery::Error;
use nethical_destinations::support::options::{Options, OptionsError};

use super::{ConfigError, Configured, Problem};

/// A configuration of more bytes is somebody's mistake.
const MAX_BYTES: u64 = 4 << 20;

/// The language of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, in which comments may stand.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// JSON if the first character is `{`, else TOML.
    pub fn of_text(text: &str) -> Self {
        if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            Self::Json
        } else {
            Self::Toml
        }
    }

    fn of_file(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json" | "jsonc") => Self::Json,
            Some("toml") => Self::Toml,
            _ => Self::of_text(text),
        }
    }
}

/// A configuration's text and where it came from.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) name: Arc<str>,
    pub(super) text: Arc<str>,
    format: Format,
}

/// The text holds secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Document {
    pub(super) fn new(name: &str, text: &str, format: Format) -> Self {
        // The mark with which some editors begin a file is no part of its text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { name: name.into(), text: text.into(), format }
    }

    pub(super) fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let failed = |message: String, hint: Option<&str>| {
            ConfigError::from_problems(
                &Self::new(&name, "", Format::Toml),
                vec![Problem { message, hint: hint.map(str::to_owned), span: None }],
            )
        };
        let bytes = read(path).map_err(|error| {
            let hint = (error.kind() == io::ErrorKind::NotFound)
                .then_some("`nethical init` writes one to begin with");
            failed(format!("cannot read the configuration {name}: {error}"), hint)
        })?;
        if bytes.len() as u64 > MAX_BYTES {
            let hint = "is this the right file?";
            return Err(failed(
                format!("the configuration {name} has more than {MAX_BYTES} bytes"),
                Some(hint),
            ));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            failed(format!("the configuration {name} is not UTF-8: byte {at} is not"), None)
        })?;
        let format = Format::of_file(path, &text);
        Ok(Self::new(&name, &text, format))
    }

    pub(super) fn options(&self) -> Result<Options, Vec<OptionsError>> {
        match self.format {
            Format::Json => Options::from_json(&self.text),
            Format::Toml => Options::from_toml(&self.text),
        }
    }

    /// The failure to open a destination, at the place where it is configured.
    pub(super) fn problem_of(&self, destination: &Configured, error: &Error) -> Problem {
        Problem {
            message: format!("`{}`: {error}", destination.name()),
            hint: error.hint().map(str::to_owned),
            span: destination.span(),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
