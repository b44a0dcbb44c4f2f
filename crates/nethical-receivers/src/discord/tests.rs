#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are checked")]

use std::time::Duration;

use serde_json::{Value, json};

use super::{Discord, check, error, rate_limited};
use crate::Clock;
use crate::http::Answer;
use crate::http::client::{Reply, post, send, try_post};

fn x(size: usize) -> String {
    "x".repeat(size)
}

fn embed(key: &str, value: Value) -> Value {
    json!({ "embeds": [{ "title": "t", key: value }] })
}

#[track_caller]
fn right(body: Value) {
    assert_eq!(check(&body), Ok(()), "{body}");
}

/// It is refused, with this code somewhere in the answer.
#[track_caller]
fn wrong(body: Value, code: &str) {
    let errors = check(&body).unwrap_err().to_string();
    assert!(errors.contains(code), "{code} is not in {errors}");
}

#[test]
fn every_limit_is_kept_to_the_character() {
    let field = |name, value| json!([{ "name": x(name), "value": x(value) }]);
    right(json!({ "content": x(2_000), "username": x(80) }));
    right(json!({ "content": format!("  {}\n", x(2_000)) }));
    right(embed("title", json!(x(256))));
    right(embed("description", json!(x(4_096))));
    right(embed("fields", field(256, 1_024)));
    right(embed("footer", json!({ "text": x(2_048) })));
    right(embed("author", json!({ "name": x(256) })));
    right(embed("color", json!(0xff_ffff)));
    right(json!({ "embeds": vec![json!({ "title": "t" }); 10] }));
    let long = "BASE_TYPE_MAX_LENGTH";
    wrong(json!({ "content": x(2_001) }), long);
    wrong(json!({ "content": "🚀".repeat(1_001) }), long);
    wrong(embed("title", json!(x(257))), long);
    wrong(embed("description", json!(x(4_097))), long);
    wrong(embed("fields", field(257, 1)), "BASE_TYPE_BAD_LENGTH");
    wrong(embed("fields", field(1, 1_025)), "BASE_TYPE_BAD_LENGTH");
    wrong(embed("fields", field(1, 0)), "BASE_TYPE_REQUIRED");
    wrong(embed("fields", json!(vec![json!({ "name": "n", "value": "v" }); 26])), long);
    wrong(embed("footer", json!({ "text": x(2_049) })), "BASE_TYPE_BAD_LENGTH");
    wrong(json!({ "embeds": vec![json!({ "title": "t" }); 11] }), long);
    wrong(embed("color", json!(0x100_0000)), "NUMBER_TYPE_MAX");
    wrong(embed("color", json!("red")), "NUMBER_TYPE_COERCE");
    wrong(embed("timestamp", json!("yesterday")), "DATE_TIME_TYPE_PARSE");
    wrong(embed("url", json!("not one")), "URL_TYPE_INVALID_URL");
    wrong(json!({ "embeds": [{ "color": 1 }] }), "BASE_TYPE_REQUIRED");
}

#[test]
fn all_embeds_together_have_a_limit_too() {
    let two = |size: usize| {
        let fields = json!([{ "name": x(10), "value": x(90) }]);
        let rest =
            json!({ "description": x(2_000), "footer": { "text": x(900) }, "author": { "name": x(100) } });
        json!({ "embeds": [
            { "title": x(100), "description": x(2_800), "fields": fields },
            { "description": x(size), "footer": rest["footer"], "author": rest["author"] },
        ] })
    };
    right(two(2_000));
    wrong(two(2_001), "MAX_EMBED_SIZE_EXCEEDED");
}

#[test]
fn names_mentions_and_unknown_keys() {
    wrong(json!({ "content": "x", "username": "My Discord bot" }), "USERNAME_INVALID_CONTAINS");
    wrong(json!({ "content": "x", "username": "CLYDE" }), "USERNAME_INVALID_CONTAINS");
    wrong(json!({ "content": "x", "username": "" }), "BASE_TYPE_REQUIRED");
    wrong(json!({ "content": "x", "username": x(81) }), "BASE_TYPE_BAD_LENGTH");
    wrong(json!({ "event_type": "x", "data": {} }), "UNKNOWN_KEY");
    right(json!({ "content": "x", "allowed_mentions": { "parse": [] } }));
    wrong(json!({ "content": "x", "allowed_mentions": { "parse": ["all"] } }), "BASE_TYPE_CHOICES");
    let both = json!({ "parse": ["users"], "users": ["1"] });
    wrong(json!({ "content": "x", "allowed_mentions": both }), "EXCLUSIVE");
}

#[test]
fn errors_say_where() {
    let fields = json!([{ "name": "n", "value": "v" }, { "name": "n", "value": x(1_025) }]);
    let errors = check(&embed("fields", fields)).unwrap_err();
    let found = &errors["embeds"]["0"]["fields"]["1"]["value"]["_errors"][0];
    assert_eq!(found["code"], "BASE_TYPE_BAD_LENGTH");
}

fn code(reply: &Reply) -> (u16, u64) {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    (reply.status, body["code"].as_u64().unwrap())
}

#[test]
fn it_answers_as_discord_does() {
    let discord = Discord::start().unwrap();
    let url = discord.webhook_url();
    let saved = post(&format!("{url}?wait=true"), r#"{"content":"hello"}"#);
    let message: Value = serde_json::from_str(&saved.body).unwrap();
    assert_eq!((saved.status, &message["content"]), (200, &json!("hello")));
    assert_eq!(post(&url, r#"{"content":"hello"}"#).status, 204);
    assert_eq!(code(&post(&url, "{}")), (400, 50006));
    assert_eq!(code(&post(&url, "{")), (400, 50109));
    assert_eq!(code(&post(&url, r#"{"embeds":1}"#)), (400, 50035));
    assert_eq!(code(&post(&format!("{url}x"), "{}")), (401, 50027));
    assert_eq!(send("GET", &url, "").unwrap().status, 200);
    let other = discord.add_webhook();
    assert_eq!(post(&other.replace("/api/", "/api/v10/"), r#"{"content":"x"}"#).status, 204);
    discord.delete_webhook(&other);
    assert_eq!(code(&post(&other, "{}")), (404, 10015));
    assert_eq!(
        discord.messages().iter().map(|message| message.waited).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!((discord.counts().refused, discord.counts().unknown, discord.violations().len()), (3, 2, 3));
}

#[test]
fn forums_want_a_thread() {
    let discord = Discord::start().unwrap();
    let forum = discord.add_forum_webhook();
    let named = r#"{"content":"x","thread_name":"t"}"#;
    assert_eq!(code(&post(&forum, r#"{"content":"x"}"#)), (400, 220001));
    assert_eq!(code(&post(&format!("{forum}?thread_id=1"), named)), (400, 220002));
    assert_eq!(code(&post(&discord.webhook_url(), named)), (400, 220003));
    assert_eq!(post(&forum, named).status, 204);
}

#[test]
fn what_nobody_waits_for_may_be_lost() {
    let discord = Discord::start().unwrap();
    discord.lose_unwaited(true);
    assert_eq!(post(&discord.webhook_url(), r#"{"content":"x"}"#).status, 204);
    assert_eq!((discord.taken(), discord.counts().lost), (0, 1));
    discord.answer(Answer::dropped());
    assert!(try_post(&format!("{}?wait=true", discord.webhook_url()), r#"{"content":"x"}"#).is_err());
    assert_eq!(discord.wait_for(1).len(), 1);
}

#[test]
fn five_in_two_seconds_and_the_headers_say_so() {
    let discord = Discord::start().unwrap();
    let replies: Vec<_> = (0..6).map(|_| post(&discord.webhook_url(), r#"{"content":"x"}"#)).collect();
    let remaining: Vec<_> =
        replies.iter().map(|reply| reply.header("x-ratelimit-remaining").unwrap()).collect();
    assert_eq!(remaining, ["4", "3", "2", "1", "0", "0"]);
    let last = &replies[5];
    let body: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!((last.status, &body["global"]), (429, &json!(false)));
    let wait = body["retry_after"].as_f64().unwrap();
    assert!(wait > 1.0 && wait <= 2.0, "{wait}");
    assert_eq!((last.header("retry-after"), last.header("x-ratelimit-scope")), (Some("2"), Some("user")));
    assert_eq!(last.header("x-ratelimit-limit"), Some("5"));
    assert!(last.header("x-ratelimit-reset").unwrap().contains('.'), "decimal");
}

#[test]
fn a_sped_up_minute_takes_thirty() {
    let discord = Discord::start_with(Clock::sped_up(400.0)).unwrap();
    let url = discord.webhook_url();
    let (mut taken, mut limits) = (0, Vec::new());
    while discord.messages().last().is_none_or(|last| last.at < 50.0) {
        let reply = post(&url, r#"{"content":"x"}"#);
        limits.push(reply.header("x-ratelimit-limit").map(str::to_owned));
        taken += usize::from(reply.status == 204);
        if reply.header("x-ratelimit-remaining") == Some("0") {
            let after: f64 = reply.header("x-ratelimit-reset-after").unwrap().parse().unwrap();
            std::thread::sleep(Duration::from_secs_f64(after));
        }
        if taken == 30 {
            break;
        }
    }
    assert_eq!((taken, discord.counts().limited), (30, 0), "who keeps to the headers is never refused");
    assert_eq!(limits.last().unwrap().as_deref(), Some("30"));
}

#[test]
fn planned_answers_come_first() {
    let discord = Discord::start().unwrap();
    discord.answer(rate_limited(0.25, true));
    discord.answer(error(50013));
    let reply = post(&discord.webhook_url(), "{}");
    assert_eq!((reply.status, reply.header("x-ratelimit-global")), (429, Some("true")));
    assert!(reply.body.contains("0.25"));
    assert_eq!(code(&post(&discord.webhook_url(), "{}")), (403, 50013));
}

#[test]
fn what_is_shown_is_what_people_would_read() {
    let body = json!({
        "content": "**look** @everyone <@12> <@&34>",
        "embeds": [{ "title": "Dropped", "description": "85% \\< 90%", "fields": [{ "name": "Model", "value": "fraud" }] }],
    });
    assert_eq!(
        super::shown::message(&body),
        "look @everyone <@12> <@&34>\n| Dropped\n| 85% < 90%\n| Model: fraud"
    );
    assert_eq!(super::shown::notified(&body), ["@12"]);
    let mut quiet = body;
    quiet["allowed_mentions"] = json!({ "parse": [] });
    assert!(super::shown::notified(&quiet).is_empty());
    quiet["allowed_mentions"] = json!({ "parse": ["everyone", "roles"] });
    assert_eq!(super::shown::notified(&quiet), ["everyone", "&34"]);
}
