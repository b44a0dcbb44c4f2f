//! Each source of AWS credentials, in a process of its own with nothing else in its environment.

#![cfg(feature = "aws-profiles")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::connect;
use nethical_receivers::cloudwatch::CloudWatch;

const CHILD: &str = "NETHICAL_TEST_CHILD";

/// The other process: checks as often as it is told to, and prints what it found last.
#[test]
fn child() {
    let Some(times) = std::env::var(CHILD).ok().and_then(|times| times.parse().ok()) else { return };
    let mut config = CloudWatchConfig::new("app", "prod");
    config.profile = std::env::var("NETHICAL_TEST_PROFILE").ok();
    let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
    let connector = connect(Arc::new(config), "cloudwatch", settings).unwrap();
    let found: Vec<_> = (0..times).map(|_| connector.probe()).collect();
    println!("found: {:?}", found.last().unwrap());
}

/// A CloudWatch that knows the key `AKIDGOOD` and no other.
fn cloudwatch() -> CloudWatch {
    let fake = CloudWatch::start().unwrap();
    fake.behave(|behaviour| behaviour.access.keys = [("AKIDGOOD".to_owned(), "s".to_owned())].into());
    fake
}

/// What the check of a process with this environment finds.
fn check(folder: &Path, vars: &[(&str, &str)]) -> String {
    check_at(&cloudwatch(), folder, vars)
}

fn check_at(fake: &CloudWatch, folder: &Path, vars: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env_clear().env(CHILD, "1").env("HOME", folder);
    child
        .env("AWS_ENDPOINT_URL_LOGS", fake.url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PATH", "/usr/bin:/bin");
    let output = child.envs(vars.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find(|line| line.contains("found: ")).unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

/// Prints keys that are good for `first`, after that others that are good for `then`, and notes how often.
fn rotating(folder: &Path, first: (&str, &str), then: (&str, &str)) {
    let keys = |(key, end): (&str, &str)| {
        format!(
            "{{\"Version\":1,\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"{end}\"}}"
        )
    };
    let (script, asked) = (folder.join("keys.sh"), folder.join("asked"));
    let text = format!(
        "#!/bin/sh\necho x >> {asked}\nif [ $(wc -l < {asked}) = 1 ]; then echo '{}'; else echo '{}'; fi\n",
        keys(first),
        keys(then),
        asked = asked.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    config_file(folder, &format!("[default]\ncredential_process = {}\n", script.display()));
}

fn in_seconds(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap();
    at.to_string()
}

#[test]
fn credentials_are_replaced_before_they_expire_and_not_sooner() {
    let fake = cloudwatch();
    fake.behave(|behaviour| _ = behaviour.access.keys.insert("AKIDFIRST".to_owned(), "s".to_owned()));
    let (soon, later) = (in_seconds(120), in_seconds(3_600));
    let folder = tempfile::tempdir().unwrap();
    rotating(folder.path(), ("AKIDFIRST", &soon), ("AKIDGOOD", &later));
    assert_found(&check_at(&fake, folder.path(), &[(CHILD, "4")]));
    let asked = fs::read_to_string(folder.path().join("asked")).unwrap().lines().count();
    assert_eq!(asked, 2, "once at the start, once because the end was near, and then they are good");
    let keys = fake.counts().keys;
    assert!(keys["AKIDFIRST"] > 0 && keys["AKIDGOOD"] > keys["AKIDFIRST"], "{keys:?}");
    let still_good = tempfile::tempdir().unwrap();
    rotating(still_good.path(), ("AKIDGOOD", &soon), ("broken", "never"));
    assert_found(&check(still_good.path(), &[(CHILD, "3")]));
}

#[track_caller]
fn assert_found(text: &str) {
    assert!(text.contains("found: Ok(\"log group app, log stream prod"), "{text}");
}

/// Answers each path with a text, and keeps what was asked.
fn server(answers: &[(&'static str, String)]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answers, asked): (HashMap<_, _>, _) = (answers.iter().cloned().collect(), Arc::default());
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), &answers, &log);
        }
    });
    (url, asked)
}

fn serve(mut stream: TcpStream, answers: &HashMap<&'static str, String>, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap_or(0) > 2 {}
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(format!("{head}{}", String::from_utf8_lossy(&body)));
    let (status, text) = answers.get(&*path).map_or(("404 Not Found", ""), |text| ("200 OK", text.as_str()));
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
         X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n\r\n{text}",
        text.len()
    );
}

const KEYS: &str = r#""AccessKeyId":"AKIDGOOD","SecretAccessKey":"s","Expiration":"2099-01-01T00:00:00Z""#;

fn config_file(folder: &Path, text: &str) {
    fs::create_dir_all(folder.join(".aws")).unwrap();
    fs::write(folder.join(".aws/config"), text).unwrap();
}

#[test]
fn keys_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    assert_found(&check(folder.path(), &[("AWS_ACCESS_KEY_ID", "AKIDGOOD"), ("AWS_SECRET_ACCESS_KEY", "s")]));
}

#[test]
fn keys_of_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    config_file(folder.path(), "[profile ops]\naws_access_key_id = AKIDGOOD\naws_secret_access_key = s\n");
    assert_found(&check(folder.path(), &[("AWS_PROFILE", "ops")]));
    let other = [
        ("AWS_ACCESS_KEY_ID", "AKIDOTHER"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("NETHICAL_TEST_PROFILE", "ops"),
    ];
    assert_found(&check(folder.path(), &other));
}

#[test]
fn a_process_that_prints_them() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("keys.sh");
    fs::write(&script, format!("#!/bin/sh\necho '{{\"Version\":1,{KEYS},\"SessionToken\":\"t\"}}'\n"))
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    config_file(folder.path(), &format!("[default]\ncredential_process = {}\n", script.display()));
    assert_found(&check(folder.path(), &[]));
}

#[test]
fn the_role_of_a_container() {
    let (url, asked) = server(&[("/keys", format!("{{{KEYS},\"Token\":\"t\"}}"))]);
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("{url}/keys");
    let vars = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret-token"),
    ];
    assert_found(&check(folder.path(), &vars));
    assert!(asked.lock().unwrap()[0].contains("secret-token"));
}

#[test]
fn the_role_of_an_instance() {
    let (url, _) = server(&[
        ("/latest/api/token", "metadata-token".to_owned()),
        ("/latest/meta-data/iam/security-credentials/", "role".to_owned()),
        (
            "/latest/meta-data/iam/security-credentials/role",
            format!(
                "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"LastUpdated\":\"2026-01-01T00:00:00Z\",{KEYS},\"Token\":\"t\"}}"
            ),
        ),
        ("/latest/meta-data/iam/security-credentials-extended/", "role".to_owned()),
        (
            "/latest/meta-data/iam/security-credentials-extended/role",
            format!(
                "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"LastUpdated\":\"2026-01-01T00:00:00Z\",{KEYS},\"Token\":\"t\",\"AccountId\":\"123456789012\"}}"
            ),
        ),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let vars = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url), ("AWS_EC2_METADATA_DISABLED", "false")];
    assert_found(&check(folder.path(), &vars));
}

/// The answer of STS to `operation`.
fn assumed(operation: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>AKIDGOOD</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/app/b</Arn></AssumedRoleUser></{operation}Result></{operation}Response>"
    )
}

#[test]
fn a_web_identity() {
    let (url, asked) = server(&[("/", assumed("AssumeRoleWithWebIdentity"))]);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "jwt-of-the-pod").unwrap();
    let vars = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app"),
        ("AWS_ENDPOINT_URL_STS", &url),
    ];
    assert_found(&check(folder.path(), &vars));
    assert!(asked.lock().unwrap()[0].contains("WebIdentityToken=jwt-of-the-pod"));
}

#[test]
fn a_role_that_is_assumed() {
    let (url, asked) = server(&[("/", assumed("AssumeRole"))]);
    let folder = tempfile::tempdir().unwrap();
    config_file(
        folder.path(),
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = base\n\
         [profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n",
    );
    assert_found(&check(folder.path(), &[("AWS_ENDPOINT_URL_STS", &url)]));
    assert!(asked.lock().unwrap()[0].contains("AKIDBASE"));
}

#[test]
fn a_single_sign_on() {
    /// The name of the file in which the AWS command line keeps the sign-in of session `corp`: its SHA-1.
    const CACHED: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    let role = r#"{"roleCredentials":{"accessKeyId":"AKIDGOOD","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#;
    let path = "/federation/credentials?role_name=app&account_id=123456789012";
    let (url, asked) = server(&[(path, role.to_owned())]);
    let folder = tempfile::tempdir().unwrap();
    config_file(folder.path(), SSO);
    let cache = folder.path().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    fs::write(cache.join(CACHED), r#"{"accessToken":"signed-in","expiresAt":"2099-01-01T00:00:00Z"}"#)
        .unwrap();
    let text = check(folder.path(), &[("AWS_ENDPOINT_URL_SSO", &url)]);
    assert!(asked.lock().unwrap().iter().any(|request| request.contains("signed-in")), "{text} {asked:?}");
    assert_found(&text);
}

const SSO: &str = "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = app\n\
    [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n";

#[test]
fn a_missing_source_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = check(folder.path(), &[]);
    assert!(text.contains("aws.no_credentials") && text.contains("`aws configure`"), "{text}");
    let text = check(folder.path(), &[("AWS_PROFILE", "nobody")]);
    assert!(text.contains("there is no profile `nobody`"), "{text}");
    config_file(folder.path(), SSO);
    let text = check(folder.path(), &[]);
    assert!(text.contains("sign in: `aws sso login --profile default`"), "{text}");
}
