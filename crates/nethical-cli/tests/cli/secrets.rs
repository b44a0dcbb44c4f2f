//! No secret is shown or kept: a configuration of every destination is full of them, everything is delivered and then
//! nothing, and all that was printed and written is searched. What is created is its owner's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nethical::alerts::Alerts;
use nethical::delivery::{Notice, Settings};
use nethical::tracking::StartRun;
use nethical::{Config, Level, LogEntry, Metadata, Nethical};
use nethical_receivers::http::{Answer, HttpPeer};

use crate::Sandbox;

/// In every secret.
const MARK: &str = "pL4nt3d";

/// What a receiver of everything makes of it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mood {
    Takes,
    /// With an answer that repeats the address, as web servers do.
    Refuses,
    Breaks,
}

impl Mood {
    fn answer(self, path: &str) -> Answer {
        match self {
            Self::Takes => Answer::text(200, "ok"),
            Self::Refuses => Answer::text(404, format!("Cannot POST /{}", path.replace("MARK", MARK))),
            Self::Breaks => Answer::new(503),
        }
    }
}

struct World {
    sandbox: Sandbox,
    peers: Vec<HttpPeer>,
}

impl World {
    fn new(mood: Mood) -> Self {
        let sandbox = Sandbox::new();
        let paths = [
            "hook/MARKpath?key=MARKquery (user:MARKuserinfo, MARKheader)",
            "MARKbase with MARKapikey",
            "services/T0/B0/MARKslackpath",
            "api/webhooks/1/MARKdiscordpath",
            "",
        ];
        let peers = paths.map(|path| {
            let peer = HttpPeer::start().unwrap();
            peer.always(mood.answer(path));
            peer
        });
        let [http, api, slack, discord, host] = peers.each_ref().map(|peer| peer.address().to_string());
        let at = format!("http://{host}");
        sandbox.write(
            "client.key",
            format!("-----BEGIN PRIVATE KEY-----\n{MARK}keyfile\n-----END PRIVATE KEY-----\n"),
        );
        let config = format!(
            r#"
[spool]
durability = "every"

[logging.jsonl]
filepath = "logs/app.jsonl"

[logging.cloudwatch]
log_group = "app"
log_stream = "one"
endpoint_url = "http://{host}"

[logging.syslog]
host = "localhost"
port = {port}
protocol = "TLS"
client_cert = "client.key"
client_key = "client.key"

[alerts.http]
url = "http://user:{MARK}userinfo@{http}/hook/{MARK}path?key={MARK}query"
headers = {{ X-API-Key = "{MARK}header" }}
secret = "whsec_pL4nt3dpL4nt3dpL4nt3dpL4nt3dpL4nt3dpL4nt"
max_retries = 1
timeout = 5

[alerts.api]
base_url = "http://{api}/{MARK}base"
api_key = "{MARK}apikey"
max_retries = 1
timeout = 5

[alerts.slack]
webhook_url = "http://{slack}/services/T0/B0/{MARK}slackpath"
max_retries = 1
timeout = 5

[alerts.discord]
webhook_url = "http://{discord}/api/webhooks/1/{MARK}discordpath"
max_retries = 1
timeout = 5

[runs.mlflow]
tracking_uri = "http://user:{MARK}mlflow@{host}"
start_timeout = 0.5

[runs.guarded]
type = "mlflow"
tracking_uri = "http://{host}"
username = "me"
password = "{MARK}password"
start_timeout = 0.5

[runs.tokened]
type = "mlflow"
tracking_uri = "http://{host}"
token = "{MARK}token"
start_timeout = 0.5

[runs.embedded]
type = "mlflow"
tracking_uri = "sqlite:///runs.db"

[runs.wandb]
project = "p"
entity = "e"
api_key = "{MARK}0123456789012345678901234567890123456789"
base_url = "{at}"
directory = "wandb-runs"
upload_interval = 0.05

[runs.sagemaker]
endpoint_url = "http://{host}"
"#,
            port = peers[4].address().port(),
        );
        sandbox.write("nethical.toml", config);
        sandbox.write("model.bin", "weights");
        Self { sandbox, peers: peers.into() }
    }

    /// All that a command prints.
    fn say(&self, arguments: &[&str]) -> String {
        let mut command = self.sandbox.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", format!("AKIA{MARK}ID")).env("AWS_REGION", "us-east-1");
        command.env("AWS_SECRET_ACCESS_KEY", format!("{MARK}awssecret"));
        command.env("AWS_SESSION_TOKEN", format!("{MARK}awstoken")).env("HOME", self.sandbox.path("user"));
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        format!("$ nethical {arguments:?}\n{}\n{}", said[0], said[1])
    }
}

const COMMANDS: &[&[&str]] = &[
    &["destinations", "http"],
    &["check", "--offline"],
    &["check"],
    &["check", "--json"],
    &["log", "--level", "error", "--source", "tests", "--wait", "3", "hello", "a=1"],
    &["webhook", "send", "happened", "a=1", "--wait", "3"],
    &["webhook", "send", "happened", "a=1", "--wait", "3", "--json"],
    &["alert", "-s", "critical", "-t", "it broke", "--wait", "3"],
    &["alert", "-s", "critical", "-t", "it broke", "--key", "k", "--json", "--wait", "3"],
    &["alerts", "list", "--json"],
    &["run", "--wait", "2", "start", "--experiment", "e"],
    &["runs", "list", "--json"],
    &["status"],
    &["status", "--json"],
    &["deliveries", "list"],
    &["deliveries", "list", "--json"],
    &["dead", "list"],
    &["dead", "list", "--json"],
    &["dead", "show", "--json"],
    &["sync", "--wait", "1"],
    &["sync", "--wait", "1", "--json"],
];

/// What the program itself can show of everything, after it was used.
fn used_in_a_program(world: &World) -> String {
    let notices = Arc::new(Mutex::new(Vec::<String>::new()));
    let text = world.sandbox.read("nethical.toml");
    // Paths of this process are not those of the sandbox.
    let root = world.sandbox.path("");
    let text = text
        .replace("logs/app.jsonl", &format!("{}logs/app.jsonl", root.display()))
        .replace("sqlite:///runs.db", &format!("sqlite:///{}runs.db", root.display()))
        .replace("wandb-runs", &format!("{}wandb-runs", root.display()))
        // A file that is of no use keeps everything from being opened, which the commands have seen.
        .replace("client_cert = \"client.key\"\nclient_key = \"client.key\"\n", "");
    let config = Config::parse("nethical.toml", &text, nethical::config::Format::Toml).unwrap();
    let mut shown = vec![format!("{config:?}"), format!("{:?}", config.destinations())];
    let noted = Arc::clone(&notices);
    let change = move |settings: Settings| {
        let noted = Arc::clone(&noted);
        let observer = move |notice: &Notice| {
            noted.lock().unwrap().push(format!("{notice} {notice:?} {:?}", notice.hint()));
        };
        let spool = nethical::delivery::SpoolSettings { home: Some(root.join("home")), ..settings.spool };
        Settings { observer: Arc::new(observer), spool, ..settings }
    };
    let nethical = config.open_with(&change).unwrap();
    use_it(&nethical, world, &mut shown);
    shown.push(format!("{nethical:?}"));
    shown.push(format!("{:?}", nethical::delivery::statuses()));
    nethical.close(Duration::from_secs(5));
    shown.extend(notices.lock().unwrap().drain(..));
    shown.join("\n")
}

fn use_it(nethical: &Nethical, world: &World, shown: &mut Vec<String>) {
    let entry = LogEntry::new(Level::Error, "hello", "tests");
    nethical.logs().log_entry(&entry.with(Metadata::new().with("password", format!("{MARK}field"))));
    let alerts: &Alerts = nethical.alerts();
    shown.push(format!("{alerts:?} {:?}", nethical.webhooks()));
    let start = StartRun { experiment: "e", name: Some("r"), tags: &[] };
    for name in ["mlflow", "guarded", "tokened", "embedded", "wandb", "sagemaker"] {
        let platform = nethical.runs().platform(name).unwrap();
        shown.push(format!("{platform:?}"));
        match platform.start_run(&start) {
            Err(error) => shown.push(format!("{error} {error:?}")),
            Ok(run) => {
                let secret = Metadata::new().with("api_key", format!("{MARK}parameter")).with("lr", 0.1);
                let logged = [
                    platform.log_parameters(&run, &secret),
                    platform.log_metrics(&run, &[("loss", 1.0)], None),
                    platform.log_artifact(&run, &world.sandbox.path("model.bin"), &Default::default()),
                ];
                shown.push(format!("{run} {logged:?} {:?}", platform.get_run(&run)));
            }
        }
        shown.push(format!("{:?}", platform.probe()));
    }
}

/// Files and folders below this one.
fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let deeper: Vec<_> = paths.iter().filter(|path| path.is_dir()).flat_map(|path| below(path)).collect();
    [paths, deeper].concat()
}

/// The secrets as they stand, and as a header of basic authentication writes them.
fn is_in(bytes: &[u8]) -> Option<String> {
    use base64::Engine as _;
    let basic = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let wandb = format!("api:{MARK}0123456789012345678901234567890123456789");
    let secrets = [
        MARK.to_owned(),
        basic(format!("user:{MARK}mlflow")),
        basic(format!("me:{MARK}password")),
        basic(wandb),
        basic(format!("user:{MARK}userinfo")),
    ];
    let found = secrets
        .iter()
        .find_map(|secret| bytes.windows(secret.len()).position(|window| window == secret.as_bytes()))?;
    let around = found.saturating_sub(200)..(found + 60).min(bytes.len());
    Some(String::from_utf8_lossy(&bytes[around]).into_owned())
}

fn nothing_is_shown_or_kept(mood: Mood) {
    let world = World::new(mood);
    let mut leaks = Vec::new();
    let mut see =
        |what: &str, bytes: &[u8]| leaks.extend(is_in(bytes).map(|leak| format!("{what}: …{leak}…")));
    for arguments in COMMANDS {
        see(&arguments.join(" "), world.say(arguments).as_bytes());
    }
    see("in a program", used_in_a_program(&world).as_bytes());
    // What the program left, as they show it.
    let looks = |command: &&&[&str]| ["status", "dead", "deliveries"].contains(&command[0]);
    for arguments in COMMANDS.iter().filter(looks) {
        see(&arguments.join(" "), world.say(arguments).as_bytes());
    }
    let own = ["nethical.toml", "client.key", "model.bin"].map(|name| world.sandbox.path(name));
    let mut open = Vec::new();
    for path in below(&world.sandbox.path("")) {
        if !path.is_dir() && !own.contains(&path) {
            see(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        if mode & 0o077 != 0 && !own.contains(&path) {
            open.push(format!("{} {mode:o}", path.display()));
        }
    }
    assert!(world.peers.iter().all(|peer| peer.count() > 0), "all were spoken to");
    assert_eq!(leaks, Vec::<String>::new());
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn a_configuration_that_is_wrong_is_quoted_without_its_secrets() {
    for line in [
        "[alerts.slack]\nwebhok_url = 'https://hooks.slack.com/services/T0/MARK'",
        "[alerts.slack]\nwebhook_url = 'ftp://hooks.slack.com/services/T0/MARK'",
        "[alerts.http]\nurl = 'http://u:MARK@127.0.0.1/'\nurl = 'http://127.0.0.1/MARK'",
        "[alerts.http]\nurl = 'http://127.0.0.1/MARK\n",
        "[alerts.http]\nurl = 'http://127.0.0.1/'\nheaders = { A = 'ok', X-Key = 5, B = 'MARK' }",
        "[alerts.http]\nurl = 'http://127.0.0.1/'\nsecretz = 'MARK'",
        "[alerts.api]\nbase_url = 'http://127.0.0.1/'\napi_kex = 'MARK'",
        "[runs.wandb]\napi_key = 'MARK'",
        "[runs.mlflow]\npassword = 'MARK'",
        "[runs.sagemaker]\nendpoint_url = 'http://u:MARK@127.0.0.1/'",
        "[logging.cloudwatch]\nlog_group = 'a'\nlog_stream = 'b'\nendpoint_url = 'http://u:MARK@127.0.0.1/'",
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("nethical.toml", line.replace("MARK", MARK));
        let ended = sandbox.run(&["check", "--offline"]).code(2);
        let said = [ended.stdout, ended.stderr].concat();
        assert!(said.contains("nethical.toml") && is_in(said.as_bytes()).is_none(), "{said}");
    }
}

#[test]
fn nothing_is_shown_or_kept_where_everything_is_taken() {
    nothing_is_shown_or_kept(Mood::Takes);
}

#[test]
fn nothing_is_shown_or_kept_where_everything_is_refused() {
    nothing_is_shown_or_kept(Mood::Refuses);
}

#[test]
fn nothing_is_shown_or_kept_where_everything_breaks() {
    nothing_is_shown_or_kept(Mood::Breaks);
}
