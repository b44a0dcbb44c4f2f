use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    path: std::path::PathBuf,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    on: bool,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    full: Full,
    #[serde(default)]
    inner: Inner,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Full {
    #[default]
    DropNewest,
    DropOldest,
    Block(f64),
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Inner {
    deep: u8,
}

/// The message, the hint and the bytes that the error of this TOML points at.
fn toml_error(text: &str) -> (String, Option<String>, &str) {
    let error = Options::from_toml(text).unwrap().read::<Sample>().unwrap_err();
    (error.to_string(), error.hint(), text.get(error.span().unwrap()).unwrap())
}

#[track_caller]
fn check(text: &str, message: &str, hint: Option<&str>, bytes: &str) {
    let (found, found_hint, found_bytes) = toml_error(text);
    assert_eq!((&*found, found_hint.as_deref(), found_bytes), (message, hint, bytes));
}

#[test]
fn all_that_toml_and_json_can_say() {
    let toml = Options::from_toml(
        "path = 'p'\nport = 0x_f_f\nrate = 1\non = true\nnames = ['a']\nfull = { block = 3 }\n[inner]\ndeep = 1",
    );
    assert!(toml.is_err(), "an underscore may not stand first");
    let toml = "path = 'p'\nport = 0xff\nrate = 1\non = true\nnames = ['a']\nfull = { block = 3 }\n[inner]\ndeep = 1";
    let json = r#"{ "path": "p", "port": 255, "rate": 1, "on": true, // a comment
        "names": ["a"], "full": {"block": 3}, "inner": {"deep": 1}, }"#;
    let map = json!({"path": "p", "port": 255, "rate": 1, "on": true, "names": ["a"], "full": {"block": 3},
        "inner": {"deep": 1}});
    let map: Options = map.as_object().unwrap().clone().into();
    let wanted = Sample {
        path: "p".into(),
        port: 255,
        rate: Some(1.0),
        on: true,
        names: vec!["a".to_owned()],
        full: Full::Block(3.0),
        inner: Inner { deep: 1 },
    };
    for options in [Options::from_toml(toml).unwrap(), Options::from_json(json).unwrap(), map] {
        assert_eq!(options.read::<Sample>().unwrap(), wanted);
    }
    let nothing = Options::from_json(r#"{"path": "p", "rate": null}"#).unwrap();
    assert_eq!(nothing.read::<Sample>().unwrap().rate, None);
}

#[test]
fn wrong_types_point_at_the_value() {
    check("path = 1", "`path`: expected a path, found `1`", None, "1");
    check(
        "path = 'p'\nport = 'x'",
        "`port`: expected a whole number from 0 to 65535, found the text \"x\"",
        None,
        "'x'",
    );
    check("path = 'p'\non = 'yes'", "`on`: expected true or false, found the text \"yes\"", None, "'yes'");
    check("path = 'p'\nnames = 'a'", "`names`: expected a list, found the text \"a\"", None, "'a'");
    check("path = 'p'\nnames = ['a', 2]", "`names[1]`: expected text, found `2`", None, "2");
    check("path = 'p'\ninner = 3", "`inner`: expected a table, found `3`", None, "3");
    check("path = 'p'\nfull = 3", "`full`: expected text or a table, found `3`", None, "3");
    check("path = 'p'\nfull = []", "`full`: expected text or a table, found a list", None, "[]");
}

#[test]
fn numbers_out_of_range_point_at_the_number() {
    check(
        "path = 'p'\nport = 65536",
        "`port`: expected a whole number from 0 to 65535, found `65536`",
        None,
        "65536",
    );
    check("path = 'p'\nport = -1", "`port`: expected a whole number from 0 to 65535, found `-1`", None, "-1");
    check(
        "path = 'p'\n[inner]\ndeep = 256",
        "`inner.deep`: expected a whole number from 0 to 255, found `256`",
        None,
        "256",
    );
    let text = "port = 99999999999999999999999999999999999999999999";
    let errors = Options::from_toml(text).unwrap_err();
    assert_eq!((errors[0].to_string().as_str(), errors[0].span()), ("this number is too large", Some(7..51)));
    let errors = Options::from_json(r#"{"rate": 1e999}"#).unwrap_err();
    assert_eq!((errors[0].to_string().as_str(), errors[0].span()), ("this number is too large", Some(9..14)));
}

#[test]
fn unknown_keys_point_at_the_key_and_name_the_nearest() {
    check("path = 'p'\nprot = 1", "unknown key `prot`", Some("did you mean `port`?"), "prot");
    check("path = 'p'\n[inner]\ndepe = 1", "unknown key `inner.depe`", Some("did you mean `deep`?"), "depe");
    let all = "known here: `path`, `port`, `rate`, `on`, `names`, `full` and `inner`";
    check("path = 'p'\n'x y' = 1", "unknown key `x y`", Some(all), "'x y'");
}

#[test]
fn missing_keys_point_at_the_table() {
    let text = "[a]\nport = 1";
    let mut options = Options::from_toml(text).unwrap();
    let Value::Table(table) = options.take("a").unwrap().node.value else { panic!("a table") };
    let error = table.read::<Sample>().unwrap_err();
    assert_eq!((error.to_string().as_str(), error.is_missing()), ("key `path` is missing", true));
    assert_eq!(text.get(error.span().unwrap()).unwrap(), "[a]");
}

#[test]
fn unknown_values_name_the_known_ones() {
    check(
        "path = 'p'\nfull = 'drop_oldes'",
        "`full`: unknown value `drop_oldes`",
        Some("did you mean `drop_oldest`?"),
        "'drop_oldes'",
    );
    check(
        "path = 'p'\nfull = 'wait'",
        "`full`: unknown value `wait`",
        Some("use `drop_newest`, `drop_oldest` or `block`"),
        "'wait'",
    );
    check(
        "path = 'p'\nfull = 'block'",
        "`full`: `block` needs a value",
        Some("write `{ block = ... }`"),
        "'block'",
    );
    check(
        "path = 'p'\nfull = { drop_newest = 1 }",
        "`full.drop_newest`: this takes no value",
        Some("write \"drop_newest\""),
        "1",
    );
    check(
        "path = 'p'\nfull = { block = 'x' }",
        "`full.block`: expected a number, found the text \"x\"",
        None,
        "'x'",
    );
    check(
        "path = 'p'\nfull = { wait = 1 }",
        "`full`: unknown value `wait`",
        Some("use `drop_newest`, `drop_oldest` or `block`"),
        "wait",
    );
}

#[test]
fn errors_of_python_name_the_option_without_bytes() {
    let map = json!({"path": "p", "port": "many"});
    let options: Options = map.as_object().unwrap().clone().into();
    let error = options.read::<Sample>().unwrap_err();
    assert_eq!(error.span(), None);
    assert_eq!(error.first_key(), Some("port"));
    assert_eq!(error.to_string(), "`port`: expected a whole number from 0 to 65535, found the text \"many\"");
}

#[test]
fn text_of_the_environment_may_be_a_number_and_is_never_shown() {
    let mut options = Options::from_toml("path = 'p'\nport = '514'\non = 'true'").unwrap();
    options.entries_mut().iter_mut().for_each(|entry| entry.node.from_environment = true);
    let sample = options.read::<Sample>().unwrap();
    assert_eq!((sample.port, sample.on), (514, true));
    for text in
        ["path = 'p'\nport = 'hunter2'", "path = 'p'\nfull = 'hunter2'", "path = 'p'\ninner = 'hunter2'"]
    {
        let mut options = Options::from_toml(text).unwrap();
        options.entries_mut()[1].node.from_environment = true;
        let error = options.read::<Sample>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(error.to_string().contains("comes from the environment"), "{error}");
    }
}

#[test]
fn ranges_of_the_schema_are_kept() {
    let text = "filepath = 'p'\nbuffer_size = 0";
    let options = Options::from_toml(text).unwrap();
    let error = options.check_ranges(&schemars::schema_for!(crate::jsonl::JsonlConfig)).unwrap_err();
    assert_eq!(error.to_string(), "`buffer_size`: must be at least 1");
    assert_eq!(text.get(error.span().unwrap()).unwrap(), "0");
}

#[test]
fn json_faults_have_their_bytes() {
    for (text, message, span) in [
        ("", "expected an object: `{ ... }`", 0..0),
        ("[1]", "expected an object: `{ ... }`", 0..3),
        (r#"{"a": 1 "b": 2}"#, "expected comma", 7..7),
        ("{\"é\": 1, \"é\": 2}", "`é` is there twice", 10..14),
        (r#"{"a": 1, "a": 2}"#, "`a` is there twice", 9..12),
        (r#"{"a": +1}"#, "unary plus on numbers is not allowed", 6..7),
    ] {
        let errors = Options::from_json(text).unwrap_err();
        assert_eq!((errors[0].to_string().as_str(), errors[0].span()), (message, Some(span)), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(Options::from_json(&format!("{{\"a\": {deep}")).is_err());
    assert!(Options::from_toml(&format!("a = {deep}")).is_err());
}

#[test]
fn nearest_is_near() {
    assert_eq!(nearest("jsnol", ["memory", "jsonl"]), Some("jsonl"));
    assert_eq!(nearest("JSONL", ["memory", "jsonl"]), Some("jsonl"));
    assert_eq!(nearest("kafka", ["memory", "jsonl"]), None);
    assert_eq!(nearest("", ["memory"]), None);
    assert_eq!(one_of(["a"], "or"), "`a`");
    assert_eq!(one_of([], "or"), "");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        for options in [Options::from_toml(&text), Options::from_json(&text)] {
            match options {
                Ok(options) => drop(options.read::<Sample>()),
                Err(errors) => prop_assert!(!errors.is_empty()),
            }
        }
    }

    #[test]
    fn any_text_of_the_languages_signs_too(text in "[{}\\[\\]\":,='a-c0-9 .\n#$-]{0,60}") {
        for options in [Options::from_toml(&text), Options::from_json(&text)] {
            if let Ok(Err(error)) = options.map(|options| options.read::<Sample>()) {
                let span = error.span().unwrap();
                prop_assert!(text.get(span).is_some(), "{error:?}");
            }
        }
    }
}
