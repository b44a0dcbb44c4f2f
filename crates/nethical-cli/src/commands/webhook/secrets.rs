//! Secrets and bodies, which do not stand on the command line: others could read them there.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use nethical::webhooks::Key;

use crate::failure::Failure;

/// Where the secrets are.
#[derive(Debug, clap::Args)]
pub(super) struct Secrets {
    /// The variable of the environment that holds the secret; several are separated by white space.
    #[arg(long, value_name = "NAME", default_value = "NETHICAL_WEBHOOK_SECRET")]
    secret_env: String,
    /// A file that holds the secret, instead; several stand on a line each.
    #[arg(long, value_name = "PATH", conflicts_with = "secret_env")]
    secret_file: Option<PathBuf>,
}

impl Secrets {
    /// The keys, at least one.
    pub(super) fn keys(&self) -> Result<Vec<Key>, Failure> {
        let text = self.text()?;
        let key = |secret: &str| secret.parse().map_err(|why| wrong(&self.place(), why));
        // Those of a file may be sentences; of a variable, which is one line, only words can be told apart.
        let keys: Vec<_> = match &self.secret_file {
            Some(_) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(key).collect(),
            None => text.split_whitespace().map(key).collect(),
        };
        let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(wrong(&self.place(), "it is empty")) } else { Ok(keys) }
    }

    fn text(&self) -> Result<String, Failure> {
        match &self.secret_file {
            Some(path) => fs::read_to_string(path).map_err(|error| wrong(&self.place(), &error.to_string())),
            None => env::var(&self.secret_env).map_err(|_| wrong(&self.place(), "it is not set")),
        }
    }

    fn place(&self) -> String {
        match &self.secret_file {
            Some(path) => path.display().to_string(),
            None => format!("${}", self.secret_env),
        }
    }
}

fn wrong(place: &str, why: &str) -> Failure {
    let hint = "name a variable with `--secret-env` or a file with `--secret-file`; a secret is any text, or `whsec_` and base64";
    Failure::usage(format!("there is no secret in {place}: {why}"), hint)
}

/// The bytes of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    read.map(|()| bytes).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        Failure::usage(message, "name a file, or `-` for standard input")
    })
}
