//! What `nethical check` prints where logs do not appear at a service, for each thing that people are told to look at.

use nethical_receivers::cloudwatch::CloudWatch;
use nethical_receivers::syslog::Receiver;

use crate::{Ended, Sandbox};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDTEST"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// The check of CloudWatch with these options beside group and stream, and with these variables.
fn cloudwatch(options: &str, vars: &[(&str, &str)]) -> Ended {
    let sandbox = Sandbox::new();
    let text = format!("[logging.cloudwatch]\nlog_group = 'app'\nlog_stream = 'prod'\n{options}\n");
    sandbox.write("nethical.toml", text);
    let mut command = sandbox.command(&["check"]);
    command.env("HOME", sandbox.path("user")).env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(vars.iter().copied()).output().unwrap().into()
}

/// The same at this receiver.
fn at(fake: &CloudWatch, options: &str, vars: &[(&str, &str)]) -> Ended {
    cloudwatch(&format!("endpoint_url = '{}'\n{options}", fake.url()), vars)
}

#[track_caller]
fn prints(ended: &Ended, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout));
}

#[test]
fn nothing_has_to_be_installed_or_written_for_cloudwatch() {
    let fake = CloudWatch::start().unwrap();
    let ended = at(&fake, "", &KEYS).code(0);
    prints(
        &ended,
        &[
            "cloudwatch  ok",
            "log group app, log stream prod in us-east-1, as arn:aws:iam::123456789012:user/tester",
        ],
    );
    assert_eq!(
        fake.counts().calls["PutLogEvents"],
        2,
        "it was really put, before and after the stream was made"
    );
    assert!(fake.violations().is_empty() && fake.events("app", "prod").is_empty());
}

#[test]
fn credentials_that_are_missing_expired_unknown_or_wrong_are_told_apart() {
    let fake = CloudWatch::start().unwrap();
    fake.behave(|behaviour| _ = behaviour.access.expired_tokens.insert("old".to_owned()));
    let id = ("AWS_ACCESS_KEY_ID", "AKIDTEST");
    for (vars, texts) in [
        (
            &[][..],
            [
                "no AWS credentials",
                "hint: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run `aws configure`",
            ],
        ),
        (&[("AWS_PROFILE", "ops")], ["profile `ops`", "hint: there is no profile `ops` in `~/.aws/config`"]),
        (
            &[id, ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "old")],
            ["ExpiredTokenException", "hint: renew them: `aws sso login`"],
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "AKIDGONE"), ("AWS_SECRET_ACCESS_KEY", "secret")],
            ["UnrecognizedClientException", "hint: AWS does not know this access key"],
        ),
        (
            &[id, ("AWS_SECRET_ACCESS_KEY", "guess")],
            [
                "does not match the signature",
                "hint: see whether `AWS_SECRET_ACCESS_KEY` belongs to this access key",
            ],
        ),
    ] {
        let ended = at(&fake, "", vars).code(1);
        prints(&ended, &texts);
        assert!(!ended.stdout.contains("guess"), "{}", ended.stdout);
    }
}

#[test]
fn each_missing_permission_is_named_with_group_and_identity() {
    for action in ["logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup"] {
        let fake = CloudWatch::start().unwrap();
        fake.behave(|behaviour| _ = behaviour.access.denied.insert(action.to_owned()));
        let hint = format!("hint: allow `{action}` on log group `app`");
        prints(&at(&fake, "", &KEYS).code(1), &["AccessDeniedException", "user/tester", &hint]);
    }
}

#[test]
fn a_missing_group_stream_or_region_is_named() {
    let fake = CloudWatch::start().unwrap();
    let ended = at(&fake, "create = false", &KEYS).code(1);
    prints(
        &ended,
        &["there is no log group `app` in us-east-1", "hint: create it, or leave out `create = false`"],
    );
    fake.create("app", "other");
    prints(
        &at(&fake, "create = false", &KEYS).code(1),
        &["log group `app` in us-east-1 has no log stream `prod`"],
    );
    let ended = cloudwatch("region = 'us-esat-1'", &KEYS).code(1);
    prints(&ended, &["there is no region `us-esat-1`", "hint: did you mean `us-east-1`?"]);
}

#[test]
fn a_clock_that_is_wrong_is_no_obstacle_to_cloudwatch() {
    let fake = CloudWatch::start().unwrap();
    fake.behave(|behaviour| behaviour.access.clock_ahead = 3_600);
    prints(&at(&fake, "", &KEYS).code(0), &["cloudwatch  ok"]);
}

#[test]
fn syslog_is_told_line_by_line() {
    let receiver = Receiver::tcp().unwrap();
    let port = receiver.address().port();
    let check = |protocol: &str, port: u16| -> Ended {
        let sandbox = Sandbox::new();
        let text = format!("[logging.syslog]\nhost = '127.0.0.1'\nport = {port}\nprotocol = '{protocol}'\n");
        sandbox.write("nethical.toml", text);
        sandbox.run(&["check"])
    };
    let ended = check("TCP", port).code(0);
    prints(
        &ended,
        &[
            &format!("syslog  ok      connected to 127.0.0.1:{port} (TCP)"),
            "\n                  it takes lines\n",
            "\n                  the receiver's system confirms bytes, nobody confirms messages\n",
        ],
    );
    let ended = check("UDP", port).code(1);
    prints(&ended, &["Connection refused", &format!("hint: a receiver listens for TCP on port {port}")]);
    let http = CloudWatch::start().unwrap();
    let plain = http.url().rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    prints(&check("TLS", plain).code(1), &["hint: the receiver does not speak TLS on this port"]);
    receiver.stop();
    prints(&check("TCP", port).code(1), &["Connection refused", "hint: "]);
    prints(&check("TLS", port).code(1), &["Connection refused", "hint: "]);
    assert_eq!(receiver.messages(), Vec::<Vec<u8>>::new());
}
