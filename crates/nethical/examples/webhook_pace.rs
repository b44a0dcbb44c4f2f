//! `webhook_pace discord|slack COUNT FACTOR`: so many alerts to a strict receiver in this process, whose clock runs
//! FACTOR times as fast as the machine's. Prints what came of them, and fails if the receiver had to complain.

#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::Validated;
use nethical::destinations::discord::DiscordConfig;
use nethical::destinations::slack::SlackConfig;
use nethical::event::Message;
use nethical::webhooks::Webhook;
use nethical_receivers::Clock;
use nethical_receivers::discord::Discord;
use nethical_receivers::slack::Slack;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, count, factor] = arguments.as_slice() else { return Err("see the first lines".into()) };
    let (count, factor): (usize, f64) = (count.parse()?, factor.parse()?);
    let clock = Clock::sped_up(factor);
    let started = Instant::now();
    let (taken, limited, refused) = match service.as_str() {
        "discord" => {
            let discord = Discord::start_with(clock)?;
            run(Arc::new(DiscordConfig::new(discord.webhook_url().parse()?)), count, None)?;
            (discord.taken(), discord.counts().limited, discord.counts().refused)
        }
        "slack" => {
            let slack = Slack::start_with(clock)?;
            // What Slack promises for a second of its own clock.
            run(Arc::new(SlackConfig::new(slack.webhook_url().parse()?)), count, Some(factor))?;
            (slack.messages().len(), slack.counts().limited, slack.counts().refused)
        }
        other => return Err(format!("there is no {other}").into()),
    };
    let took = started.elapsed().as_secs_f64();
    println!(
        "{service}: {taken} of {count} taken, {limited} over the rate, {refused} refused, in {took:.1} s"
    );
    if (taken, limited, refused) == (count, 0, 0) {
        Ok(())
    } else {
        Err("the receiver had to complain".into())
    }
}

fn run(config: Arc<dyn Validated>, count: usize, rate: Option<f64>) -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let spool = SpoolSettings { home: Some(home.path().to_owned()), ..SpoolSettings::default() };
    let hook =
        Webhook::open("pace", config, Settings { spool, rate_limit_per_sec: rate, ..Settings::default() })?;
    for number in 0..count {
        let data = serde_json::json!({ "title": format!("alert {number}"), "severity": "warning", "number": number });
        hook.queue(&Message::new("counted", data));
    }
    let is_done = hook.connector().close(Duration::from_secs(3_600));
    let ledger = hook.connector().status()?.ledger;
    println!("{ledger:?}");
    if is_done && ledger.balances() { Ok(()) } else { Err("not everything came to its end".into()) }
}
