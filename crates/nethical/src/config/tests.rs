use std::time::Duration;

use nethical_core::delivery::Full;
use nethical_core::event::Level;
use nethical_core::spool::{self as spool_options, Durability};
use proptest::prelude::*;

use super::*;

fn environment(name: &str) -> Option<String> {
    match name {
        "LOGS" => Some("/var/log".to_owned()),
        "EMPTY" => Some(String::new()),
        "SIZE" => Some("7".to_owned()),
        "SECRET" => Some("hunter2".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    let document = Document::new("nethical.toml", text, Format::of_text(text));
    Config::read(document, &Environment::new(&environment))
}

/// `line:column message (hint)` for each problem.
fn errors(text: &str) -> Vec<String> {
    let error = read(text).unwrap_err();
    let shown = |problem: &Problem| {
        let (line, column) = error.position(problem).unwrap_or_default();
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{line}:{column} {}{hint}", problem.message)
    };
    error.problems().iter().map(shown).collect()
}

#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    assert_eq!(errors(text), wanted, "{text}");
}

fn options(config: &Config, at: usize) -> String {
    format!("{:?}", config.destinations[at])
}

#[test]
fn the_guides_shape_loads_as_it_is() {
    let config = read(
        r#"{"logging": {"enabled": true, "jsonl": {"filepath": "a.jsonl", "buffer_size": 5}, "memory": {}}}"#,
    )
    .unwrap();
    let names: Vec<_> = config.section(Section::Logging).map(Configured::name).collect();
    assert_eq!(names, ["jsonl", "memory"]);
    assert!(options(&config, 0).contains("buffer_size: 5"), "{config:?}");
    assert_eq!(read(r#"{"logging": {"enabled": false, "jsonl": 5}}"#).unwrap().destinations().len(), 0);
}

#[test]
fn a_name_is_something_to_be_seen() {
    let hint = "(use letters, digits or other visible characters)";
    let wrong = |name: &str| format!("2:10 {name} cannot be the name of a destination {hint}");
    check("\n[logging.'']\ntype = 'memory'\n", &[&wrong("\"\"")]);
    check("\n[logging.'  ']\ntype = 'memory'\n", &[&wrong("\"  \"")]);
    check("\n[logging.\"a\\nb\"]\ntype = 'memory'\n", &[&wrong("\"a\\nb\"")]);
    check(
        r#"{"alerts": {"\u001b[1m": {"type": "memory"}}}"#,
        &[&format!("1:13 \"\\u{{1b}}[1m\" cannot be the name of a destination {hint}")],
    );
}

#[test]
fn no_two_destinations_share_a_name() {
    check(
        "[logging.memory]\n[logging.Memory]\ntype = 'memory'\n",
        &["2:1 `[logging.Memory]` has the name of `[logging.memory]` (give it a name of its own: \
           `[logging.my-Memory]` with `type = \"memory\"`)"],
    );
}

#[test]
fn names_types_and_order_are_the_files() {
    let config = read(
        "[logging.z]\ntype = 'memory'\nlevel = 'warn'\n[logging.memory]\n[logging.a]\ntype = 'memory'\n\
         [logging.off]\nenabled = false\nwhat = '${MISSING}'\n",
    )
    .unwrap();
    let shown: Vec<_> =
        config.section(Section::Logging).map(|one| (one.name(), one.kind().name, one.level())).collect();
    assert_eq!(
        shown,
        [("z", "memory", Level::Warning), ("memory", "memory", Level::Debug), ("a", "memory", Level::Debug)]
    );
}

#[test]
fn what_every_destination_takes() {
    let config = read(
        "[logging.memory]\nlevel = 'ERROR'\nbatch_age = 0.5\nrate_limit_per_sec = 3\nmax_events = 2\n\
         queue = { max_events = 10, max_bytes = 1_000, full = { block = 2 } }\n\
         [logging.b]\ntype = 'memory'\nqueue.full = 'drop_oldest'",
    )
    .unwrap();
    let settings = config.destinations[0].settings();
    assert_eq!(settings.batch_age, Duration::from_millis(500));
    assert_eq!(settings.rate_limit_per_sec, Some(3.0));
    assert_eq!((settings.queue.max_events, settings.queue.max_bytes), (10, 1_000));
    assert_eq!(settings.queue.full, Full::Block(Duration::from_secs(2)));
    assert!(options(&config, 0).contains("max_events: 2"), "its own key of the same name is left to it");
    let settings = config.destinations[1].settings();
    assert_eq!((settings.queue.max_events, settings.queue.full), (65_536, Full::DropOldest));
}

#[test]
fn what_waits_on_disk_is_chosen() {
    let config = read(
        "[spool]\nhome = '${LOGS}/spool'\ndurability = 'every'\nmax_bytes = 2_000_000\n\
         destination_bytes = 100_000\nsegment_bytes = 70_000\nfull = { block = 0.5 }\n\
         [logging.memory]\n[logging.a]\ntype = 'memory'\nspool = true\n[logging.b]\ntype = 'memory'\nspool = false",
    )
    .unwrap();
    let spools: Vec<_> = config.section(Section::Logging).map(|one| one.settings().spool).collect();
    assert_eq!(spools.iter().map(|spool| spool.enabled).collect::<Vec<_>>(), [None, Some(true), Some(false)]);
    assert_eq!(spools[1].directory(), Some("/var/log/spool".into()));
    let options = &spools[1].options;
    assert_eq!(options.durability, Durability::Every);
    assert_eq!(
        (options.max_bytes, options.destination_bytes, options.segment_bytes),
        (2_000_000, 100_000, 70_000)
    );
    assert_eq!(options.full, spool_options::Full::Block(Duration::from_millis(500)));

    let off = read("[spool]\nenabled = false\n[logging.memory]\n[logging.a]\ntype = 'memory'\nspool = true");
    let off = off.unwrap();
    let enabled = off.section(Section::Logging).map(|one| one.settings().spool.enabled);
    assert_eq!(enabled.collect::<Vec<_>>(), [Some(false), Some(true)], "the nearer word counts");
    let usual = read("[logging.memory]").unwrap();
    assert_eq!(usual.spool().options.durability, Durability::Interval);
    assert_eq!((usual.spool().enabled, &usual.spool().home), (None, &None));
}

#[test]
fn faults_of_the_spool_stand_where_they_are() {
    check("[spol]", &["1:2 unknown key `spol` (did you mean `spool`?)"]);
    check(
        "[spool]\ndurabilty = 'every'",
        &["2:1 unknown key `spool.durabilty` (did you mean `durability`?)"],
    );
    check(
        "[spool]\ndurability = 'evry'\nmax_bytes = 5\nfull = 'drop_old'",
        &[
            "2:14 `spool.durability`: unknown value `evry` (did you mean `every`?)",
            "3:13 `spool.max_bytes`: must be at least 1048576",
            "4:8 `spool.full`: unknown value `drop_old` (use `drop_newest`, `drop_oldest` or `block`)",
        ],
    );
    check(
        "[logging.memory]\nspol = true\nspool = 1",
        &[
            "2:1 unknown key `logging.memory.spol` (did you mean `spool`?)",
            "3:9 `logging.memory.spool`: expected true or false, found `1`",
        ],
    );
}

#[test]
fn typos_name_the_nearest() {
    check("[loging.jsonl]", &["1:2 unknown key `loging` (did you mean `logging`?)"]);
    check("[logging.jsnol]", &["1:10 there is no destination of type `jsnol` (did you mean `jsonl`?)"]);
    check(
        "[logging.a]\ntype = 'memroy'",
        &["2:8 `logging.a.type`: there is no destination of type `memroy` (did you mean `memory`?)"],
    );
    check("[logging]\nenabeld = true", &["2:1 unknown key `logging.enabeld` (did you mean `enabled`?)"]);
    check(
        "[logging.memory]\nmax_event = 1\nlevle = 'info'",
        &[
            "2:1 unknown key `logging.memory.max_event` (did you mean `max_events`?)",
            "3:1 unknown key `logging.memory.levle` (did you mean `level`?)",
        ],
    );
    check(
        "[logging.memory.queue]\nful = 'drop_oldest'",
        &["2:1 unknown key `logging.memory.queue.ful` (did you mean `full`?)"],
    );
    check(
        "[redaction]\nalso = []\nexcpt = []",
        &["3:1 unknown key `redaction.excpt` (did you mean `except`?)"],
    );
    let own = "for a destination with a name of its own, add `type = ...` with one of ";
    assert!(errors("[logging.kafka]")[0].contains(own), "{:?}", errors("[logging.kafka]"));
}

#[test]
fn a_misspelt_key_is_not_missing_too() {
    check(
        "[logging.jsonl]\nfilepth = 'a'",
        &["2:1 unknown key `logging.jsonl.filepth` (did you mean `filepath`?)"],
    );
}

#[test]
fn wrong_values_stand_where_they_are() {
    check(
        "logging = 5",
        &["1:11 `logging`: expected a table (write `[logging.NAME]`, and its options on the lines below)"],
    );
    check(
        "[logging]\nenabled = 'no'",
        &["2:11 `logging.enabled`: expected true or false, found the text \"no\""],
    );
    check("[logging.jsonl]\nbuffer_size = 5", &["1:1 key `logging.jsonl.filepath` is missing"]);
    check(
        "[logging.jsonl]\nfilepath = 'a'\nbuffer_size = 0",
        &["3:15 `logging.jsonl.buffer_size`: must be at least 1"],
    );
    check(
        "[logging.memory]\nlevel = 'loud'",
        &["2:9 `logging.memory.level`: unknown level \"loud\": use debug, info, warning, error or critical"],
    );
    check(
        "[logging.memory]\nbatch_age = 0\nqueue = { max_events = 0, full = 'drop_old' }",
        &[
            "2:13 `logging.memory.batch_age`: must be at least 0.001",
            "3:24 `logging.memory.queue.max_events`: expected a whole number, 1 or more, found `0`",
        ],
    );
    check(
        "[logging.memory]\nqueue.full = { block = -1 }",
        &["2:24 `logging.memory.queue.full.block`: expected seconds, from 0.001 to 86400, found `-1.0`"],
    );
    check("[limits]\nmax_depth = 1000", &["2:13 `limits.max_depth`: must be at most 100"]);
    check("[redaction]\nalso = ['a', 1]", &["2:14 `redaction.also[1]`: expected text, found `1`"]);
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_text() {
    check(
        "[logging.jsonl]\nfilepath = 5\nbufer_size = 1\nfsync = 'batsh'\n[logging.memry]\n[limits]\nmax_depth = 0\n[y]",
        &[
            "2:12 `logging.jsonl.filepath`: expected a path, found `5`",
            "3:1 unknown key `logging.jsonl.bufer_size` (did you mean `buffer_size`?)",
            "4:9 `logging.jsonl.fsync`: unknown value `batsh` (did you mean `batch`?)",
            "5:10 there is no destination of type `memry` (did you mean `memory`?)",
            "7:13 `limits.max_depth`: must be at least 1",
            "8:2 unknown key `y` (known here: `logging`, `alerts`, `runs`, `routes`, `monitors`, `spool`, `redaction` and `limits`)",
        ],
    );
}

#[test]
fn faults_of_syntax_have_their_place() {
    assert!(errors("[logging\n")[0].starts_with("1:9 "), "{:?}", errors("[logging\n"));
    assert!(errors("a = 1\na = 2")[0].starts_with("2:1 duplicate key"), "{:?}", errors("a = 1\na = 2"));
    assert!(errors("{\"logging\": }")[0].starts_with("1:13 "), "{:?}", errors("{\"logging\": }"));
}

#[test]
fn variables_take_their_place() {
    let config = read(
        "[logging.jsonl]\nfilepath = '${LOGS}/${NAME:-app}${EMPTY:-.}jsonl'\nbuffer_size = '${SIZE}'\n\
         [redaction]\nalso = ['$${LOGS}', '$LOGS', '${EMPTY}']",
    )
    .unwrap();
    assert!(options(&config, 0).contains("/var/log/app.jsonl"), "{config:?}");
    assert!(options(&config, 0).contains("buffer_size: 7"), "{config:?}");
    assert!(config.rules().redaction.hides("${LOGS}"));
}

#[test]
fn variables_that_are_not_there_have_their_bytes() {
    check(
        "[logging.jsonl]\nfilepath = '${LOGS}/$${x}/${NAME}.jsonl'",
        &[
            "2:27 `logging.jsonl.filepath`: the environment has no variable NAME (set NAME, or give a default: `${NAME:-...}`)",
        ],
    );
    check(
        "[redaction]\nalso = ['a', 'x${']",
        &["2:16 `redaction.also[1]`: `${` is not closed (write `$${` for the characters `${`)"],
    );
    let name =
        "`a b` is no name of a variable (write `${NAME}` for a variable, `$${` for the characters `${`)";
    check("[redaction]\nalso = ['${a b}']", &[&format!("2:10 `redaction.also[0]`: {name}")]);
}

#[test]
fn secrets_are_never_shown() {
    for text in [
        "[logging.memory]\nmax_events = '${SECRET}'",
        "[logging.memory]\nlevel = '${SECRET}'",
        "[logging.memory]\nqueue.full = '${SECRET}'",
        "[logging]\nenabled = '${SECRET}'",
        "[logging.x]\ntype = '${SECRET}'",
    ] {
        let error = read(text).unwrap_err();
        assert!(!error.render(false).contains("hunter2"), "{error}");
    }
    for text in [
        "[runs.mlflow]\npassword = 12345678",
        "[alerts.http]\nurl = 'https://x.test'\nsecret = 12345678",
        "[alerts.http]\nurl = 'https://x.test'\nheaders.K = 12345678",
        "[alerts.discord]\nwebhook_url = 12345678",
    ] {
        let shown = read(text).unwrap_err().render(false);
        assert!(shown.contains("expected text") && !shown.contains("12345678"), "{shown}");
    }
}

#[test]
fn errors_show_the_line() {
    let error = read("[logging.jsonl]\nfilepath = 'é'\nbufer_size = 1").unwrap_err();
    let shown = "\
error: unknown key `logging.jsonl.bufer_size`
 --> nethical.toml:3:1
  |
3 | bufer_size = 1
  | ^^^^^^^^^^
  |
  = help: did you mean `buffer_size`?";
    assert_eq!(error.to_string(), shown);
    assert!(error.render(true).contains('\u{1b}'));
}

#[test]
fn marks_of_windows_are_taken() {
    for text in
        ["\u{feff}[logging.memory]\r\nlevel = 'info'\r\n", "\u{feff}{\"logging\":\r\n{\"memory\": {}}}"]
    {
        assert_eq!(read(text).unwrap().destinations().len(), 1, "{text:?}");
    }
}

#[test]
fn files_that_cannot_be_read_are_clear() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Config::load(folder.path().join("no.toml")).unwrap_err();
    assert!(missing.to_string().contains("No such file"), "{missing}");
    let directory = Config::load(folder.path()).unwrap_err();
    assert!(directory.to_string().contains("Is a directory"), "{directory}");
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, b"a = '\xff'").unwrap();
    let error = Config::load(&binary).unwrap_err();
    assert!(error.to_string().contains("is not UTF-8: byte 5 is not"), "{error}");
}

#[test]
fn a_destination_that_cannot_be_opened_is_shown_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[logging.jsonl]\nfilepath = '{}'\n[logging.memory]", folder.path().display());
    let error = read(&text).unwrap().open().unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert_eq!(error.position(&error.problems()[0]), Some((1, 1)));
    assert!(error.to_string().contains("Is a directory"), "{error}");
}

#[test]
fn what_is_open_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("a/b.jsonl"), folder.path().join("c"));
    std::fs::write(&config, format!("[logging.jsonl]\nfilepath = '{}'\nlevel = 'info'", file.display()))
        .unwrap();
    let nethical = Nethical::from_file(&config).unwrap();
    nethical.logs().log(Level::Debug, "below", "test", crate::Metadata::new());
    nethical.logs().log(Level::Error, "above", "test", crate::Metadata::new().with("password", "x"));
    assert!(nethical.close(Duration::from_secs(60)));
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(written.lines().count(), 1);
    assert!(written.contains("above") && written.contains("[REDACTED]"), "{written}");
}

#[test]
fn each_manager_opens_its_own_table_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody can open this file, so whoever tries is found out.
    let broken = format!("type = 'jsonl'\nfilepath = '{}'", folder.path().display());
    let hook = "type = 'http'\nurl = 'http://127.0.0.1:9/'\nlevel = 'error'";
    let path = folder.path().join("nethical.toml");
    let write = |text: String| std::fs::write(&path, text).unwrap();
    write(format!(
        "[logging.memory]\n[runs.kept]\ntype = 'memory'\n[alerts.ops]\n{hook}\n[spool]\nenabled = false"
    ));
    assert_eq!(LogAggregator::from_config(&path).unwrap().connectors().len(), 1);
    let webhooks = WebhookManager::from_config(&path).unwrap();
    assert_eq!(webhooks.webhooks().keys().collect::<Vec<_>>(), ["ops"]);
    write(format!("[logging.broken]\n{broken}\n[alerts.ops]\n{hook}\n[spool]\nenabled = false"));
    assert!(WebhookManager::from_config(&path).is_ok());
    let error = LogAggregator::from_config(&path).unwrap_err();
    assert!(error.to_string().contains("Is a directory"), "{error}");
    assert!(Nethical::from_file(&path).is_err());
}

#[test]
fn runs_have_platforms() {
    let nethical = read("[runs.memory]\n[runs.second]\ntype = 'memory'").unwrap().open().unwrap();
    let run = nethical.runs().start("e", None);
    assert_eq!(run.ids().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["memory", "second"]);
    drop(run);
    assert!(nethical.close(Duration::from_secs(60)));
    assert_eq!(nethical.runs().statuses()[1].ledger.confirmed, 2);
}

#[test]
fn the_schema_knows_every_destination() {
    let schema = Config::schema();
    let logging = &schema["properties"]["logging"]["properties"];
    assert_eq!(logging["jsonl"]["$ref"], "#/$defs/jsonl");
    assert_eq!(schema["$defs"]["jsonl"]["properties"]["buffer_size"]["minimum"], 1);
    assert!(schema["$defs"]["memory"]["properties"]["queue"].is_object());
    let text = schema.to_string();
    let references = text.split("\"$ref\":\"#/$defs/").skip(1).map(|rest| rest.split('"').next().unwrap());
    for reference in references {
        assert!(schema["$defs"].get(reference).is_some(), "{reference}");
    }
}

const ALERTING: &str = "[alerts]
dedup_window = 600
repeat_interval = 3600
[alerts.ops]
type = 'memory'
[alerts.log]
type = 'jsonl'
filepath = '/tmp/alerts.jsonl'
[alerts.off]
type = 'slack'
enabled = false
[[routes]]
severity = ['error', 'critical']
labels = { team = 'm*' }
to = ['off', 'log']
fallback = ['ops']
continue = true
[[routes]]
severity = 'info'
source = 'gpu-*'
event_type = 'threshold_breach'
to = ['ops']
[[monitors]]
metric = 'accuracy'
condition = '<'
threshold = 0.9
clear = 0.92
hold = 60
cooldown = 300
severity = 'error'
[[monitors]]
name = 'heartbeat'
metric = 'beat'
missing = 600
nan = 'ignore'
labels = { team = 'ml' }
";

#[test]
fn routes_and_monitors_are_read() {
    let config = read(ALERTING).unwrap();
    let settings = config.alert_settings();
    assert_eq!((settings.repeats.window.as_secs(), settings.repeats.interval.as_secs()), (600, 3_600));
    let [first, second] = config.routes() else { panic!("{config:?}") };
    assert_eq!(
        (first.severity.len(), first.and_continue, first.fallback.as_slice()),
        (2, true, &["ops".to_owned()][..])
    );
    assert_eq!((second.source.as_deref(), second.and_continue), (Some("gpu-*"), false));
    let [accuracy, beat] = config.monitors() else { panic!("{config:?}") };
    assert_eq!(
        (accuracy.name.as_str(), accuracy.hold.as_secs(), accuracy.cooldown.as_secs()),
        ("accuracy < 0.9", 60, 300)
    );
    assert_eq!(accuracy.limit.unwrap().clear, Some(0.92));
    assert_eq!((beat.name.as_str(), beat.missing.unwrap().as_secs(), beat.limit), ("heartbeat", 600, None));
    let json =
        r#"{"alerts":{"memory":{}},"routes":[{"to":["memory"]}],"monitors":[{"metric":"m","missing":1}]}"#;
    assert_eq!(read(json).unwrap().monitors()[0].name, "m missing");
}

#[test]
fn faults_of_routes_and_monitors_have_their_bytes() {
    check(
        "[alerts.ops]\ntype = 'memory'\n[[routes]]\nto = ['opps']\n[[routes]]\nto = []\nseverty = 'info'",
        &[
            "4:7 `routes[0].to`: there is no destination `opps` in `[alerts]` (did you mean `ops`?)",
            "7:1 unknown key `routes[1].severty` (did you mean `severity`?)",
        ],
    );
    check(
        "[alerts.memory]\n[[routes]]\nto = []\n[routes2]",
        &[
            "3:6 `routes[0].to`: it leads nowhere: name at least one destination of `[alerts]`",
            "4:2 unknown key `routes2` (did you mean `routes`?)",
        ],
    );
    check("[alerts]\ndedup_window = 0", &["2:16 `alerts.dedup_window`: must be at least 0.001"]);
    check("routes = 1", &["1:10 `routes`: expected a list of tables (write `[[routes]]`)"]);
    check(
        "[[monitors]]\nmetric = 'm'\ncondition = '=<'\nthreshold = 1",
        &["3:13 `monitors[0].condition`: unknown condition \"=<\": use <, <=, >, >=, == or !="],
    );
    check(
        "[[monitors]]\nmetric = 'm'\n[[monitors]]\nmetric = 'm'\ncondition = '<'",
        &[
            "2:10 `monitors[0].metric`: nothing is asked of it: add `condition` and `threshold`, or `missing`",
            "5:13 `monitors[1].condition`: there is a condition and no threshold: add `threshold`",
        ],
    );
    check(
        "[[monitors]]\nmetric = 'm'\ncondition = '<'\nthreshold = 1\nclear = 0.5",
        &["5:9 `monitors[0].clear`: below the threshold nothing is cleared: use a value that is not smaller"],
    );
    check(
        "[[monitors]]\nmetric = 'm'\nmissing = 5\n[[monitors]]\nmetric = 'm'\nmissing = 6",
        &["5:10 `monitors[1].metric`: there is another monitor `m missing` (give it a `name` of its own)"],
    );
}

#[test]
fn the_configurations_of_the_guide_to_alerts_are_right() {
    let guide = include_str!("../../../../docs/alerts.md");
    let blocks: Vec<_> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2);
    let config = read(&blocks.concat()).unwrap();
    assert_eq!((config.routes().len(), config.monitors().len()), (2, 2));
}

#[test]
fn metrics_of_runs_are_watched() {
    let config = read(
        "[alerts.memory]\n[runs.track]\ntype = 'memory'\n[[monitors]]\nmetric = 'loss'\ncondition = '>'\nthreshold = 1\n[spool]\nenabled = false",
    );
    let nethical = config.unwrap().open().unwrap();
    let run = nethical.runs().start("e", None);
    run.metrics(&[("loss", 0.5), ("accuracy", 0.9)], Some(1));
    assert!(nethical.alerts().states().is_empty());
    run.metrics(&[("loss", 1.5)], Some(2));
    nethical.runs().log_metrics_all(&run.ids(), &[("loss", 1.6)], Some(3));
    let states = nethical.alerts().states();
    assert_eq!((states.len(), states[0].sent, states[0].suppressed), (1, 1, 1));
    drop(run);
    assert!(nethical.close(Duration::from_secs(60)));
    assert_eq!(nethical.webhooks().statuses()[0].ledger.confirmed, 1);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Err(error) = read(&text) {
            prop_assert!(!error.render(true).is_empty());
        }
    }

    #[test]
    fn so_is_any_that_looks_like_a_configuration(
        lines in proptest::collection::vec("(\\[logging\\.(jsonl|memory|é)\\]|filepath = '[$a{}é:-]{0,9}'|(level|type|queue|enabled|max_events) = ('[a-z]{0,5}'|[0-9-]{1,4}|\\{[a-z =1]{0,9}\\}|true))", 0..8)
    ) {
        if let Err(error) = read(&lines.join("\n")) {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(!error.render(false).is_empty());
            for problem in error.problems() {
                prop_assert!(error.position(problem).is_some(), "{error}");
            }
        }
    }
}
