use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn sorted(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
    let error =
        sort(&response(status, headers, body), Context { kind: "discord", at: "https://discord.com/…" });
    assert!(error.hint().is_some(), "{error:?}");
    error
}

fn after(error: &Error) -> f64 {
    error.retry_after().unwrap().as_secs_f64()
}

#[test]
fn the_code_decides_before_the_status() {
    let coded =
        |status, code: u32| sorted(status, &[], &format!("{{\"code\":{code},\"message\":\"m\"}}")).kind();
    for code in [50035, 50006, 50109, 40005, 220_001, 220_002, 220_003] {
        assert_eq!(coded(400, code), Kind::Refused, "{code}");
    }
    for (status, code) in [(404, 10015), (401, 50027), (403, 50013), (400, 10015)] {
        assert_eq!(coded(status, code), Kind::Gone, "{code}");
    }
    for status in [401, 403, 404] {
        assert_eq!(sorted(status, &[], "<html>").kind(), Kind::Gone, "{status}");
    }
    assert_eq!(sorted(502, &[], "<html>").kind(), Kind::Unavailable);
    assert_eq!(sorted(302, &[], "").kind(), Kind::Config);
    assert_eq!(sorted(410, &[], "").kind(), Kind::Gone);
}

#[test]
fn the_place_of_a_fault_is_said() {
    let body = r#"{"code":50035,"message":"Invalid Form Body","errors":{"embeds":{"0":{"fields":{"6":{"value":
        {"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"Must be 1024 or fewer in length."}]}}}}}}}"#;
    let error = sorted(400, &[], body);
    assert_eq!(
        error.message(),
        "Discord answered 400: Invalid Form Body (embeds.0.fields.6.value: BASE_TYPE_MAX_LENGTH)"
    );
}

#[test]
fn the_most_exact_wait_counts() {
    let body = r#"{"message":"m","retry_after":0.65,"global":false}"#;
    assert!((after(&sorted(429, &[("retry-after", "1")], body)) - 0.65).abs() < 1e-9);
    let headers = [("retry-after", "1"), ("x-ratelimit-reset-after", "0.25")];
    assert!((after(&sorted(429, &headers, "")) - 0.25).abs() < 1e-9);
    assert!((after(&sorted(429, &[("retry-after", "3")], "")) - 3.0).abs() < 1e-9);
    assert_eq!(sorted(429, &[], "").kind(), Kind::RateLimited(None));
    assert_eq!(after(&sorted(429, &[], r#"{"retry_after":1e12}"#)), 3_600.0);
    assert_eq!(sorted(429, &[], r#"{"retry_after":-1}"#).retry_after(), None);
}

#[test]
fn an_empty_bucket_is_waited_for_whatever_form_the_reset_has() {
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let pause =
        |headers: &[(&str, &str)]| pause(&response(200, headers, ""), now).map(|wait| wait.as_secs_f64());
    assert_eq!(pause(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset-after", "1.5")]), None);
    assert_eq!(pause(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-after", "1.5")]), Some(1.5));
    let epoch = now.as_second();
    let decimal = format!("{epoch}.750");
    assert_eq!(pause(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &decimal)]), Some(0.75));
    let whole = (epoch + 2).to_string();
    assert_eq!(pause(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &whole)]), Some(2.0));
    assert_eq!(pause(&[]), None);
}

#[test]
fn a_global_limit_is_seen_in_the_header_and_in_the_body() {
    assert!(is_global(&response(429, &[("x-ratelimit-global", "true")], "")));
    assert!(is_global(&response(429, &[], r#"{"global":true}"#)));
    assert!(!is_global(&response(429, &[], r#"{"global":false}"#)));
}

/// JSON of any shape with the names that count.
fn json() -> impl Strategy<Value = String> {
    let key = "code|message|errors|retry_after|global|_errors|0|[^\"\\\\]{0,6}";
    let leaf = prop_oneof![
        any::<f64>().prop_map(|number| number.to_string()),
        "\"[^\"\\\\]{0,20}\"",
        "true|null|-1|1e400"
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let pairs = proptest::collection::vec((key, inner), 0..5);
        pairs.prop_map(|pairs| {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", pairs.join(","))
        })
    })
}

proptest! {
    #[test]
    fn any_answer_is_told_in_a_line_with_a_hint_and_a_bounded_wait(
        status in 100..700_u16,
        values in proptest::array::uniform4("[ -~]{0,20}|[0-9.]{1,30}|-?[0-9]{1,25}(\\.[0-9]{1,9})?"),
        body in prop_oneof![json(), "\\PC{0,200}"],
    ) {
        let names = ["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-reset-after"];
        let headers: Vec<_> = names.iter().zip(&values).map(|(name, value)| (*name, value.as_str())).collect();
        let answer = response(status, &headers, &body);
        let error = sorted(status, &headers, &body);
        prop_assert!(error.message().chars().count() < 1_000 && !error.message().contains(char::is_control));
        prop_assert!(error.retry_after().unwrap_or_default() <= MAX_RETRY_AFTER);
        let _ = is_global(&answer);
        for remaining in ["0", "1", values[1].as_str()] {
            let headers = [headers.clone(), vec![("x-ratelimit-remaining", remaining)]].concat();
            let headers: Vec<_> = headers.into_iter().filter(|(name, value)| *name != "x-ratelimit-remaining" || *value == remaining).collect();
            let pause = pause(&response(200, &headers, ""), Timestamp::now());
            prop_assert!(pause.unwrap_or_default() <= MAX_RETRY_AFTER);
        }
    }
}

#[test]
fn a_page_of_somebody_else_is_no_success() {
    let error = sorted(200, &[], "<html>Please log in");
    assert_eq!(
        (error.kind(), error.code(), error.is_in_doubt()),
        (Kind::Unavailable, "discord.no_answer", true)
    );
    let is_said = |body: &str| super::super::wire::is_said_by_discord(body.as_bytes());
    assert_eq!(["", " {\"id\":\"1\"}", "<html>", "ok"].map(is_said), [true, true, false, false]);
}
