//! Services that say how fast they may be spoken to.

use std::sync::Arc;

use nethical::destinations::discord::DiscordConfig;
use nethical::destinations::slack::SlackConfig;
use nethical::event::Message;
use nethical::webhooks::Webhook;
use nethical_receivers::Clock;
use nethical_receivers::discord::Discord;
use nethical_receivers::slack::Slack;
use serde_json::json;

use crate::{PATIENCE, settings};

fn message(number: usize) -> Message {
    Message::new("counted", json!({ "title": format!("alert {number}"), "severity": "warning" }))
}

#[test]
fn discord_is_never_asked_more_often_than_its_headers_allow() {
    const COUNT: usize = 600;
    let home = tempfile::tempdir().unwrap();
    let discord = Discord::start_with(Clock::sped_up(1_000.0)).unwrap();
    let config = DiscordConfig::new(discord.webhook_url().parse().unwrap());
    let hook = Webhook::open("discord", Arc::new(config), settings(home.path())).unwrap();
    // Queued, and waited for by several at once.
    (0..COUNT - 80).for_each(|number| drop(hook.queue(&message(number))));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|number| assert!(hook.dispatch(&message(number)).is_success())));
        }
    });
    assert!(hook.connector().close(PATIENCE), "{:?}", hook.connector().status());
    let counts = discord.counts();
    assert_eq!((discord.taken(), counts.limited, counts.refused), (COUNT, 0, 0), "{counts:?}");
    assert_eq!(hook.connector().status().unwrap().ledger.confirmed, COUNT as u64);
}

#[test]
fn one_webhook_that_is_opened_for_every_message_keeps_one_pace() {
    let home = tempfile::tempdir().unwrap();
    let slack = Slack::start().unwrap();
    for number in 0..5 {
        let config = SlackConfig::new(slack.webhook_url().parse().unwrap());
        let hook = Webhook::open("slack", Arc::new(config), settings(home.path())).unwrap();
        let delivery = hook.dispatch(&message(number));
        assert_eq!((delivery.is_success(), delivery.attempt_count), (true, 1), "{delivery:?}");
    }
    assert_eq!((slack.messages().len(), slack.counts().limited), (5, 0));
}
