//! What happens to a request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::buckets::{Bucket, Standing};
use super::hooks::{Hooks, Place, TOKEN};
use super::{Message, answers, body, shown};
use crate::Clock;
use crate::http::{Answer, Handler, Request, Script};
use crate::kept::Kept;

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, whatever came of them.
    pub requests: u64,
    /// Messages that were refused for what they are.
    pub refused: u64,
    /// Requests over a limit.
    pub limited: u64,
    /// Requests to webhooks that are not there, or with a token that is not theirs.
    pub unknown: u64,
    /// Messages that nobody waited for, and that were not saved.
    pub lost: u64,
}

#[derive(Debug)]
pub(super) struct Service {
    clock: Clock,
    pub(super) script: Script,
    pub(super) messages: Kept<Message>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    hooks: Hooks,
    /// "50 requests per second" from one address.
    everywhere: Bucket,
    loses_unwaited: bool,
    violations: Vec<String>,
    counts: Counts,
}

impl Service {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State {
            hooks: Hooks::default(),
            everywhere: Bucket::new("global", 50, 1.0),
            loses_unwaited: false,
            violations: Vec::new(),
            counts: Counts::default(),
        };
        Self { clock, script: Script::default(), messages: Kept::default(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_hook(&self, forum: bool) -> String {
        self.state().hooks.add(forum)
    }

    pub(super) fn delete_hook(&self, url: &str) {
        self.state().hooks.delete(url);
    }

    pub(super) fn lose_unwaited(&self, lose: bool) {
        self.state().loses_unwaited = lose;
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// What Discord would answer.
    fn usual(&self, request: &Request) -> Answer {
        let mut state = self.state();
        let now = self.clock.now();
        if let Some(wait) = state.everywhere.wait(now) {
            state.counts.limited += 1;
            return answers::rate_limited(self.clock.outside(wait).as_secs_f64(), true);
        }
        state.everywhere.take(now);
        let id = match state.hooks.find(request.path()) {
            Place::Hook(id) => id,
            place => {
                state.counts.unknown += 1;
                return answers::error(if place == Place::WrongToken { 50027 } else { 10015 });
            }
        };
        if request.method == "GET" {
            let known = json!({ "id": id, "type": 1, "name": "alerts", "channel_id": "1", "guild_id": "2",
                "avatar": null, "application_id": null, "token": TOKEN });
            return Answer::json(200, &known);
        }
        let Some(hook) = state.hooks.get(&id) else { return answers::error(10015) };
        let forum = hook.forum;
        if let Some(wait) = hook.buckets.wait(now) {
            let standing = hook.buckets.standing(now);
            state.counts.limited += 1;
            return self.told(answers::rate_limited(self.clock.outside(wait).as_secs_f64(), false), standing);
        }
        hook.buckets.take(now);
        let standing = hook.buckets.standing(now);
        let answer = match read(request, forum) {
            Err(answer) => {
                state.counts.refused += 1;
                state.violations.push(String::from_utf8_lossy(&answer.body).into_owned());
                answer
            }
            Ok(body) => self.take(&mut state, request, id, body, now),
        };
        self.told(answer, standing)
    }

    fn take(&self, state: &mut State, request: &Request, id: String, body: Value, now: f64) -> Answer {
        let waited = request.query("wait").is_some_and(|wait| wait.eq_ignore_ascii_case("true"));
        if !waited && state.loses_unwaited {
            state.counts.lost += 1;
            return Answer::new(204);
        }
        let number = self.messages.len() + 1;
        let answer = if waited { saved(&id, &body, number) } else { Answer::new(204) };
        self.messages.push(Message { webhook: id, body, waited, at: now });
        answer
    }

    /// With the headers about the limit that is nearest.
    fn told(&self, answer: Answer, standing: Standing) -> Answer {
        let after = self.clock.outside(standing.reset_after).as_secs_f64();
        let after = (after * 1_000.0).ceil() / 1_000.0;
        answer
            .header("x-ratelimit-limit", standing.limit.to_string())
            .header("x-ratelimit-remaining", standing.remaining.to_string())
            .header("x-ratelimit-reset", format!("{:.3}", self.clock.outside_epoch(standing.reset_after)))
            .header("x-ratelimit-reset-after", format!("{after:.3}"))
            .header("x-ratelimit-bucket", standing.name)
    }
}

/// The message in a request, or why it is none.
fn read(request: &Request, forum: bool) -> Result<Value, Answer> {
    if request.method != "POST" {
        return Err(Answer::json(405, &json!({ "message": "405: Method Not Allowed", "code": 0 })));
    }
    let json = request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let Some(body) = request.json().ok().filter(|_| json) else { return Err(answers::error(50109)) };
    body::check(&body).map_err(|errors| answers::invalid_form(&errors))?;
    if body::is_empty(&body) {
        return Err(answers::error(50006));
    }
    let (thread, name) = (request.query("thread_id").is_some(), body.get("thread_name").is_some());
    match (forum, thread, name) {
        (true, false, false) => Err(answers::error(220001)),
        (true, true, true) => Err(answers::error(220002)),
        (false, _, true) => Err(answers::error(220003)),
        _ => Ok(body),
    }
}

/// The message as Discord gives it back.
fn saved(webhook: &str, body: &Value, number: usize) -> Answer {
    let name = body.get("username").and_then(Value::as_str).unwrap_or("alerts");
    let everyone = shown::notified(body).iter().any(|who| who == "everyone" || who == "here");
    Answer::json(
        200,
        &json!({
            "id": (1_300_000_000_000_000_000 + number).to_string(),
            "type": 0,
            "content": body.get("content").cloned().unwrap_or_else(|| json!("")),
            "channel_id": "1",
            "author": { "id": webhook, "username": name, "avatar": null, "discriminator": "0000", "bot": true },
            "attachments": [],
            "embeds": body.get("embeds").cloned().unwrap_or_else(|| json!([])),
            "mentions": [],
            "mention_roles": [],
            "mention_everyone": everyone,
            "pinned": false,
            "tts": false,
            "timestamp": jiff::Timestamp::now().to_string(),
            "edited_timestamp": null,
            "flags": 0,
            "components": [],
            "webhook_id": webhook,
        }),
    )
}

impl Handler for Service {
    fn early(&self, _head: &Request) -> Option<Answer> {
        let answer = self.script.early()?;
        self.state().counts.requests += 1;
        Some(answer)
    }

    fn answer(&self, request: Request) -> Answer {
        self.state().counts.requests += 1;
        self.script.or(|| self.usual(&request))
    }
}
