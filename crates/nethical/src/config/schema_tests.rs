//! The schema against what the reader takes and refuses.

use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use nethical_destinations::ALL;
use serde_json::{Value, json};

use super::*;

/// The schema, ready to judge. It has been judged itself by then: by the schema of schemas.
struct Validator(Schemas, SchemaIndex);

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("nethical.schema.json", Config::schema()).unwrap();
        let index = compiler.compile("nethical.schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn is_valid(&self, instance: &Value) -> bool {
        self.0.validate(instance, self.1).is_ok()
    }

    #[track_caller]
    fn takes(&self, instance: &Value, about: &str) {
        if let Err(error) = self.0.validate(instance, self.1) {
            panic!("{error:#}: {about}");
        }
    }
}

fn as_json(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn read(text: &str) -> Result<Config, ConfigError> {
    let variables = |name: &str| match name {
        "PORT" | "KEY" => Some("1".to_owned()),
        _ => name.ends_with("_WEBHOOK_URL").then(|| "https://example.com/x".to_owned()),
    };
    Config::read(Document::new("nethical.toml", text, Format::Toml), &Environment::new(&variables))
}

/// The blocks of TOML in the documents.
fn documented() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    let folders = [root.join("docs"), root.join("docs/destinations")];
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        pages.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    pages.extend(
        ALL.iter().map(|kind| root.join(format!("crates/nethical-destinations/src/{}/docs.md", kind.name))),
    );
    let mut blocks = Vec::new();
    for page in pages.into_iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        let found = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        blocks.extend(found.map(|block| (page.clone(), block)));
    }
    blocks
}

#[test]
fn it_is_a_schema() {
    assert_eq!(Config::schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(Validator::new().is_valid(&json!({})));
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("wrong", json!({ "type": "text" })).unwrap();
    assert!(compiler.compile("wrong", &mut schemas).is_err(), "what is none is refused");
}

#[test]
fn everything_that_can_be_written_is_described() {
    let schema = Config::schema();
    let described = |about: &str, properties: &Value| {
        for (key, property) in properties.as_object().unwrap() {
            let text = property.get("description").or_else(|| property.get("$ref"));
            assert!(text.is_some_and(|text| text.is_string()), "{about}.{key}");
        }
    };
    described("the whole", &schema["properties"]);
    for table in ["logging", "alerts", "runs", "spool", "redaction", "limits"] {
        described(table, &schema["properties"][table]["properties"]);
    }
    for list in ["routes", "monitors"] {
        described(list, &schema["properties"][list]["items"]["properties"]);
    }
    for kind in ALL {
        described(kind.name, &schema["$defs"][kind.name]["properties"]);
    }
}

#[test]
fn it_takes_every_example() {
    let validator = Validator::new();
    for kind in ALL {
        validator.takes(&as_json(kind.example), kind.example);
    }
}

#[test]
fn every_documented_configuration_is_right_by_reader_and_schema() {
    let (validator, blocks) = (Validator::new(), documented());
    assert!(blocks.len() > 5, "{}", blocks.len());
    for (page, block) in blocks {
        let page = page.display().to_string();
        read(&block).unwrap_or_else(|error| panic!("{page}: {error}"));
        validator.takes(&as_json(&block), &page);
    }
}

#[test]
fn it_refuses_a_typo_in_every_key_of_every_example() {
    let validator = Validator::new();
    for kind in ALL {
        let example = as_json(kind.example);
        let (section, destinations) = example.as_object().unwrap().iter().next().unwrap();
        for key in destinations[kind.name].as_object().unwrap().keys() {
            let mut wrong = example.clone();
            let options = wrong[section][kind.name].as_object_mut().unwrap();
            let value = options.remove(key).unwrap();
            options.insert(format!("{key}x"), value);
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }
}

#[test]
fn it_refuses_what_the_reader_refuses() {
    let validator = Validator::new();
    for (text, right) in [
        ("[logging.app]\ntype = 'jsonl'\nfilepath = 'x'\nqueue = { full = { block = 5 } }", true),
        ("[logging.app]\ntype = 'syslog'\nport = '${PORT}'\nrfc = 5424\nfacility = 3", true),
        ("[logging.syslog]\nprotocol = '${PROTOCOL:-TCP}'\nfacility = '${FACILITY:-local0}'", true),
        ("[logging]\nenabled = '${LOGGING:-true}'\n[limits]\nmax_depth = '${DEPTH:-7}'", true),
        (
            "[alerts.pager]\ntype = 'http'\nurl = '${URL:-http://localhost/}'\n[[routes]]\nto = ['pager']",
            true,
        ),
        ("[[monitors]]\nmetric = 'm'\nmissing = 5", true),
        ("[loging.jsonl]\nfilepath = 'x'", false),
        ("[logging.app]\nfilepath = 'x'", false),
        ("[logging.app]\ntype = 'jsnol'\nfilepath = 'x'", false),
        ("[logging.slack]\nwebhook_url = 'https://hooks.slack.com/services/T0/B0/x'", false),
        ("[logging.jsonl]\nfilepath = 'x'\nbuffer_size = 'many'", false),
        ("[logging.jsonl]\nfilepath = 'x'\nlevel = 'loud'", false),
        ("[logging.syslog]\nport = 70000", false),
        ("[logging.syslog]\nport = '514'", false),
        ("[alerts.slack]\nwebhook_url = 'hooks.slack.com/services/T0/B0/x'", false),
        ("[[monitors]]\nmetric = 'm'\ncondition = '=<'\nthreshold = 1", false),
        ("[spool]\ndurability = 'always'", false),
    ] {
        let read = read(text);
        assert_eq!(read.is_ok(), right, "the reader: {text}: {read:?}");
        assert_eq!(validator.is_valid(&as_json(text)), right, "the schema: {text}");
    }
}

#[test]
fn it_says_which_options_are_secrets() {
    let schema = Config::schema();
    let is_secret =
        |kind: &str, key: &str| schema["$defs"][kind]["properties"][key]["writeOnly"] == json!(true);
    for (kind, key) in [
        ("slack", "webhook_url"),
        ("discord", "webhook_url"),
        ("http", "secret"),
        ("api", "api_key"),
        ("wandb", "api_key"),
        ("mlflow", "password"),
        ("mlflow", "token"),
    ] {
        assert!(is_secret(kind, key), "{kind} {key}");
    }
    assert!(!is_secret("jsonl", "filepath") && !is_secret("http", "url"));
    let text = "[alerts.http]\nurl = 'http://x/'\nsecret = 's3cret'\n[alerts.api]\nbase_url = 'http://x/'\napi_key = '${KEY}'";
    let config = read(text).unwrap();
    let inline: Vec<_> = config.destinations().iter().map(Configured::inline_secrets).collect();
    assert_eq!(inline, [&["secret".to_owned()][..], &[]]);
}
