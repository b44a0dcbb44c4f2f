use std::time::Duration;

use nethical_core::delivery::Kind;

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let date = ("date".to_owned(), "Sun, 01 Mar 2026 12:10:00 GMT".to_owned());
    Answer::read(&Response { status, headers: vec![date, ("retry-after".to_owned(), "3".to_owned())], body })
}

fn sorted(status: u16, body: &str) -> Error {
    answer(status, body).sorted(&Context { action: "logs:PutLogEvents", resource: "log group `app`" })
}

#[test]
fn each_error_means_what_its_reference_says() {
    let cases = [
        (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#, "aws.throttled"),
        (400, r#"{"__type":"com.amazonaws.logs#UnrecognizedClientException"}"#, "aws.unknown_key"),
        (400, r#"{"__type":"ExpiredTokenException","message":"expired"}"#, "aws.expired"),
        (
            400,
            r#"{"__type":"InvalidSignatureException","message":"The request signature we"}"#,
            "aws.wrong_secret",
        ),
        (400, r#"{"__type":"InvalidSignatureException","message":"Signature expired: 2026"}"#, "aws.clock"),
        (500, r#"{"__type":"InternalFailure"}"#, "aws.unavailable"),
        (503, "<html>", "aws.unavailable"),
        (429, "", "aws.throttled"),
        (302, "", "aws.redirected"),
        (407, "", "aws.proxy"),
        (400, r#"{"__type":"UnknownOperationException"}"#, "aws.wrong_endpoint"),
        (400, r#"{"__type":"SomethingNew"}"#, "aws.unknown"),
        (
            403,
            "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
            "aws.unknown_key",
        ),
    ];
    for (status, body, code) in cases {
        let error = sorted(status, body);
        assert_eq!(error.code(), code, "{error:?}");
        assert!(error.is_endpoint_fault() && error.hint().is_some());
    }
    assert_eq!(sorted(429, "").kind(), Kind::RateLimited(Some(Duration::from_secs(3))));
}

#[test]
fn a_missing_permission_is_named() {
    let body = r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::123456789012:user/app is not authorized to perform: logs:CreateLogStream on resource: arn:aws:logs:us-east-1:123456789012:log-group:app because no identity-based policy allows the logs:CreateLogStream action"}"#;
    let error = sorted(400, body);
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(error.hint().unwrap().contains("`logs:CreateLogStream` on log group `app`"), "{error:?}");
    assert!(error.message().contains("user/app"));
}

#[test]
fn a_wrong_signature_shows_no_header_of_the_request() {
    let body = r#"{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match the signature you provided. The Canonical String for this request should have been 'POST x-amz-security-token:HIDDEN'"}"#;
    assert!(!format!("{:?}", sorted(403, body)).contains("HIDDEN"));
}

#[test]
fn the_clock_of_the_server_is_taken_over_once() {
    let clock = Clock::default();
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let date = answer(400, "").date;
    assert!(clock.learn(date, now));
    assert!(!clock.learn(date, now), "nothing new");
    assert!(!clock.learn(None, now));
    let ahead = clock.now().duration_since(std::time::SystemTime::now()).unwrap();
    assert!(ahead > Duration::from_secs(590) && ahead <= Duration::from_secs(600));
}

#[test]
fn signatures_are_those_of_botocore() {
    // What botocore 1.43.11 makes of the same request.
    let environment = Environment::from([]);
    let endpoint = Endpoint::new(LOGS, "us-east-1", None, &environment);
    let credentials = Credentials::new(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        Some("TOKEN".into()),
        None,
        "test",
    );
    let headers =
        [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.PutLogEvents")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let now = std::time::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let signing = Signing {
        method: "POST",
        url: endpoint.url(),
        region: endpoint.region(),
        service: endpoint.signing_name(),
        with_digest: false,
    };
    let signed = sign_at(&signing, &headers, b"{\"a\":1}", credentials, now).unwrap();
    let authorization = &signed.iter().find(|(name, _)| name == "authorization").unwrap().1;
    assert_eq!(authorization, SIGNED_BY_BOTOCORE);
}

const SIGNED_BY_BOTOCORE: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/logs/aws4_request, \
    SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
    Signature=b7e8fb3f245ba0188fc029eab6f2be956b4b1c0f6960462243cf65351462886f";

#[test]
fn endpoints_follow_the_region_and_the_environment() {
    let none = Environment::from([]);
    let url = |region, configured, environment: &Environment| {
        Endpoint::new(LOGS, region, configured, environment).url().to_owned()
    };
    assert_eq!(url("eu-west-1", None, &none), "https://logs.eu-west-1.amazonaws.com/");
    assert_eq!(url("cn-north-1", None, &none), "https://logs.cn-north-1.amazonaws.com.cn/");
    let all = Environment::from([("AWS_ENDPOINT_URL", "http://localhost:4566")]);
    assert_eq!(url("us-east-1", None, &all), "http://localhost:4566/");
    let user = Environment::from([("AWS_ENDPOINT_URL", "http://user:pass@word@localhost:4566")]);
    assert_eq!(url("us-east-1", None, &user), "http://localhost:4566/");
    let both = Environment::from([("AWS_ENDPOINT_URL", "http://a"), ("AWS_ENDPOINT_URL_LOGS", "http://b/")]);
    assert_eq!(url("us-east-1", None, &both), "http://b/");
    assert_eq!(url("us-east-1", Some("http://c"), &both), "http://c/");
    let id = Environment::from([("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://d")]);
    assert_eq!(url("us-east-1", None, &id), "http://d/");
}

#[test]
fn the_region_is_that_of_the_nearest_word() {
    let environment = Environment::from([("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-2")]);
    assert_eq!(region(Some("sa-east-1"), &environment, None), "sa-east-1");
    assert_eq!(region(None, &environment, None), "eu-west-1");
    assert_eq!(region(None, &Environment::from([]), None), "us-east-1");
    assert!(is_region("us-gov-west-1") && !is_region("us-east-1/evil") && !is_region(""));
}

#[test]
fn an_unknown_region_is_told_from_a_network_that_is_down() {
    let failure = crate::support::http::Failure::at(crate::support::http::Phase::Lookup);
    let none = Environment::from([]);
    let error = Endpoint::new(LOGS, "us-esat-1", None, &none).failure(&failure);
    assert_eq!((error.kind(), error.code()), (Kind::Config, "aws.unknown_region"));
    assert_eq!(error.hint(), Some("did you mean `us-east-1`?"));
    let error = Endpoint::new(LOGS, "us-east-1", None, &none).failure(&failure);
    assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "aws.lookup"));
    let error = Endpoint::new(LOGS, "us-esat-1", Some("https://proxy.corp"), &none).failure(&failure);
    assert_eq!(error.code(), "aws.lookup");
}

#[test]
fn an_expired_token_is_replaced_by_what_the_profile_says_now() {
    let fake = nethical_receivers::cloudwatch::CloudWatch::start().unwrap();
    fake.behave(|behaviour| {
        behaviour.access.expired_tokens.insert("old".to_owned());
        behaviour.access.keys.insert("A".to_owned(), "S".to_owned());
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let write = |token: &str| {
        let keys = "[default]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = ";
        std::fs::write(&file, format!("{keys}{token}\n")).unwrap();
    };
    let environment = Environment::from([("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())]);
    let http = Client::new(crate::support::http::Deadlines::default()).unwrap();
    let provider = Provider::found(environment.clone(), None, "us-east-1".to_owned(), http.clone());
    let endpoint = Endpoint::new(LOGS, "us-east-1", Some(&fake.url()), &environment);
    let service = Service::new(http, Arc::new(provider), endpoint);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let create = || {
        let body = Bytes::from_static(b"{\"logGroupName\":\"app\"}");
        runtime.block_on(service.call(Call::json("Logs_20140328.CreateLogGroup".to_owned(), body)))
    };
    write("old");
    assert_eq!(create().unwrap_err().code(), Some("ExpiredTokenException"));
    write("new");
    assert!(create().is_ok());
}

fn found(environment: Environment, profile: Option<&str>) -> Result<Credentials, Error> {
    let http = Client::new(crate::support::http::Deadlines::default()).unwrap();
    let provider = Provider::found(environment, profile.map(str::to_owned), "us-east-1".to_owned(), http);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(provider.get())
}

#[test]
fn keys_come_from_the_environment_and_a_wanted_profile_beats_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "[ops]\naws_access_key_id = FILE\naws_secret_access_key = S\n").unwrap();
    let environment = Environment::from([
        ("AWS_ACCESS_KEY_ID", "ENV"),
        ("AWS_SECRET_ACCESS_KEY", "S"),
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
    ]);
    assert_eq!(found(environment.clone(), None).unwrap().access_key_id(), "ENV");
    assert_eq!(found(environment.clone(), Some("ops")).unwrap().access_key_id(), "FILE");
    let error = found(environment, Some("nobody")).unwrap_err();
    assert!(error.message().contains("`nobody`, and the environment is not looked at"), "{error}");
    assert!(error.hint().unwrap().contains("leave `profile` out"), "{error:?}");
    let only =
        Environment::from([("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()), ("AWS_PROFILE", "ops")]);
    assert_eq!(found(only, None).unwrap().access_key_id(), "FILE");
}
