//! `nethical check` and `nethical webhook send` with Slack, Discord and plain webhooks.

use nethical_receivers::discord::Discord;
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::slack::Slack;
use serde_json::json;

use crate::Sandbox;

/// Strict receivers of all three kinds, and a configuration with them.
struct World {
    sandbox: Sandbox,
    slack: Slack,
    discord: Discord,
    hook: HttpPeer,
}

impl World {
    fn new() -> Self {
        let (slack, discord) = (Slack::start().unwrap(), Discord::start().unwrap());
        let (sandbox, hook) = (Sandbox::new(), HttpPeer::start().unwrap());
        let text = format!(
            "[alerts.slack]\nwebhook_url = '{}'\n[alerts.discord]\nwebhook_url = '{}'\n[alerts.http]\nurl = '{}/hush'\n",
            slack.webhook_url(),
            discord.webhook_url(),
            hook.url(),
        );
        sandbox.write("nethical.toml", text);
        Self { sandbox, slack, discord, hook }
    }

    /// Messages that each of them took: Slack, Discord, the plain one.
    fn taken(&self) -> (usize, usize, usize) {
        let posts = self.hook.requests().iter().filter(|request| request.method == "POST").count();
        (self.slack.messages().len(), self.discord.messages().len(), posts)
    }

    #[track_caller]
    fn nobody_complained(&self) {
        assert_eq!((self.slack.violations(), self.discord.violations()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_check_asks_discord_and_says_of_the_others_that_it_cannot() {
    let world = World::new();
    let ended = world.sandbox.run(&["check"]).code(0);
    let line = |name: &str| {
        ended.stdout.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned()
    };
    assert!(line("discord").contains("ok ") && line("discord").contains("webhook `"), "{ended:?}");
    for name in ["slack", "http"] {
        assert!(
            line(name).contains("only a message") && line(name).contains("`nethical check --send`"),
            "{ended:?}"
        );
    }
    assert_eq!(world.taken(), (0, 0, 0));
    let found = world.sandbox.run(&["check", "--json"]).code(0).json();
    let ok: Vec<_> = found["destinations"].as_array().unwrap().iter().map(|one| one["ok"].clone()).collect();
    assert_eq!(ok, [true, true, true]);
    assert_eq!(world.taken(), (0, 0, 0));
    assert!(!ended.stdout.contains("hush") && !found.to_string().contains("hush"));
}

#[test]
fn a_check_that_may_send_posts_to_each() {
    let world = World::new();
    let ended = world.sandbox.run(&["check", "--send"]).code(0);
    assert_eq!(ended.stdout.matches("took a message").count(), 3, "{ended:?}");
    assert_eq!(world.taken(), (1, 1, 1));
    world.nobody_complained();
    assert!(world.slack.messages()[0].shown().contains("nethical check --send"));
    assert!(world.discord.messages()[0].shown().contains("nethical check --send"));
    // What each of them says when its webhook is gone.
    world.slack.always(Answer::text(404, "no_service"));
    world.discord.always(Answer::json(404, &json!({ "code": 10015, "message": "Unknown Webhook" })));
    world.hook.always(Answer::new(410));
    let ended = world.sandbox.run(&["check", "--send"]).code(1);
    for text in ["no_service", "Unknown Webhook", "410", "make a new one"] {
        assert!(ended.stdout.contains(text), "{text}: {ended:?}");
    }
    let ended = world.sandbox.run(&["check"]).code(1);
    assert!(ended.stdout.contains("Unknown Webhook"), "{ended:?}");
    assert_eq!(world.taken().0, 1);
}

#[test]
fn a_message_reaches_each_in_its_own_shape() {
    let world = World::new();
    let send = [
        "webhook",
        "send",
        "disk_full",
        "disk=/dev/sda1",
        "used=0.97",
        "message=<!channel> look",
        "-s",
        "critical",
    ];
    let sent = world.sandbox.run(&[&send[..], &["--json"]].concat()).code(0).json();
    let statuses: Vec<_> = sent.as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, ["success", "success", "success"]);
    world.nobody_complained();
    assert_eq!(world.taken(), (1, 1, 1));
    let (slack, discord) = (world.slack.messages().remove(0), world.discord.messages().remove(0));
    for shown in [slack.shown(), discord.shown()] {
        for part in ["[CRITICAL] Disk full", "<!channel> look", "/dev/sda1", "0.97"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    assert_eq!((slack.controls(), discord.notified()), (Vec::new(), Vec::new()), "nobody is called");
    assert!(discord.waited, "Discord was asked to say that it saved it");
    world.sandbox.run(&["webhook", "send", "x", "--to", "discord"]).code(0);
    assert_eq!(world.taken(), (1, 2, 1));
    let listed = world.sandbox.run(&["deliveries", "list", "--json"]).code(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 4);
}

#[test]
fn an_address_of_a_chat_service_needs_no_configuration() {
    let (slack, discord, sandbox) = (Slack::start().unwrap(), Discord::start().unwrap(), Sandbox::new());
    for (kind, url) in [("slack", slack.webhook_url()), ("discord", discord.webhook_url())] {
        let ended = sandbox.run(&["webhook", "send", "done", "--url", &url, "--type", kind]).code(0);
        assert!(ended.stdout.starts_with(&format!("{kind}  delivered, 200 in ")), "{ended:?}");
        sandbox
            .run(&["webhook", "send", "x", "--url", &url, "--type", kind, "-H", "A: b"])
            .code(2)
            .says("takes no headers");
    }
    slack.always(Answer::text(403, "invalid_token"));
    let ended = sandbox.run(&["webhook", "send", "x", "--url", &slack.webhook_url(), "--type", "slack"]);
    let ended = ended.code(1);
    assert!(ended.stdout.contains("invalid_token") && ended.stdout.contains("hint: "), "{ended:?}");
    assert_eq!((slack.messages().len(), discord.messages().len()), (1, 1));
}

#[test]
fn a_proxy_is_used_unless_the_guard_is_on() {
    let (proxy, hook, sandbox) = (HttpPeer::start().unwrap(), HttpPeer::start().unwrap(), Sandbox::new());
    let url = format!("http://localhost:{}/hook", hook.address().port());
    let send = |guard: &str| {
        sandbox.write("nethical.toml", format!("[alerts.http]\nurl = '{url}'\n{guard}\n"));
        let mut command = sandbox.command(&["webhook", "send", "x"]);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy.url());
        }
        crate::Ended::from(command.output().unwrap()).code(0)
    };
    send("");
    assert_eq!((proxy.count(), hook.count()), (1, 0));
    send("ssrf_guard = true\nssrf_allow = ['127.0.0.0/8', '::1/128']");
    assert_eq!((proxy.count(), hook.count()), (1, 1));
}
