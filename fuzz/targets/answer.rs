//! Any answer of any service that is spoken to by HTTP: status, headers and body.
#![no_main]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{Batch, Destination, MAX_RETRY_AFTER, runtime};
use nethical_core::event::{Event, Message, RunUpdate, Timestamp};
use nethical_core::tracking::LOCAL_PREFIX;
use nethical_destinations::Validated;
use nethical_destinations::api::ApiConfig;
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::discord::DiscordConfig;
use nethical_destinations::http::HttpConfig;
use nethical_destinations::mlflow::MlflowConfig;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_destinations::slack::SlackConfig;
use nethical_fuzz::{SECRET, Service, alone, answer, is_sound, knows_secret};

fuzz_target!(init: alone(Path::new("/nonexistent"), &[]), |input: &[u8]| {
    let [which, status, rest @ ..] = input else { return };
    if knows_secret(rest) {
        return;
    }
    let (service, destinations) = spoken_to();
    service.always(answer(*status, rest));
    let (destination, event) = &destinations[usize::from(*which) % destinations.len()];
    let batch: Batch = [event.clone()].into_iter().collect();
    let (one, other) = (Arc::clone(destination), Arc::clone(destination));
    match runtime::wait(async move { one.deliver(&batch).await }).expect("a runtime") {
        Err(error) => is_sound(&error),
        Ok(receipt) => {
            assert!(receipt.pause.is_none_or(|pause| pause <= MAX_RETRY_AFTER), "{:?}", receipt.pause);
            receipt.refused.iter().for_each(|refusal| {
                assert_eq!(refusal.index, 0);
                is_sound(&refusal.error);
            });
        }
    }
    if let Err(error) = runtime::wait(async move { other.probe().await }).expect("a runtime") {
        is_sound(&error);
    }
});

type Spoken = (Arc<dyn Destination>, Event);

fn spoken_to() -> &'static (Service, Vec<Spoken>) {
    static OPEN: OnceLock<(Service, Vec<Spoken>)> = OnceLock::new();
    OPEN.get_or_init(|| {
        let service = Service::start(Box::new(|_| answer(0, b"\n\n{}")));
        let at = service.origin();
        let hook = |path: &str| format!("{at}/{path}/{SECRET}").parse().expect("an address");
        let message = || Message::new("fuzz", serde_json::json!({ "a": 1 })).encode().event;
        let point = |run: &str| RunUpdate::metrics_event(run, Timestamp::now(), &[("loss", 1.0)], Some(1));
        let mut logs = CloudWatchConfig::new("g", "s").with_keys("AKID", SECRET, None);
        logs.endpoint_url = Some(at.clone());
        let mut runs = SageMakerConfig::default().with_keys("AKID", SECRET, None);
        runs.endpoint_url = Some(at.clone());
        let mut mlflow = MlflowConfig::new(&at);
        mlflow.token = Some(SECRET.to_owned());
        let all: [(Box<dyn Validated>, Event); 8] = [
            (Box::new(ApiConfig::new(hook("api"))), message()),
            (Box::new(logs), message().to_entry().expect("a message")),
            (Box::new(DiscordConfig::new(hook("api/webhooks/1"))), message()),
            (Box::new(HttpConfig::new(hook("hook"))), message()),
            (Box::new(mlflow.clone()), point("run")),
            (Box::new(runs), point("run")),
            (Box::new(SlackConfig::new(hook("services/T0/B0"))), message()),
            // A run that has to be looked for.
            (Box::new(mlflow), point(&format!("{LOCAL_PREFIX}1"))),
        ];
        (service, all.map(|(config, event)| (config.open().expect("it opens"), event)).into())
    })
}
