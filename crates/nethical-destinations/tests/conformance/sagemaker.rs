//! SageMaker that keeps every limit.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::event::{Event, EventId, Pairs, RunChange, RunUpdate, Timestamp};
use nethical_destinations::Validated;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_receivers::sagemaker::{SageMaker, Trouble};

use crate::{Behind, Peer};

const RUN: &str = "conformance";

/// Each event is a point of the metric `n`, or for a text that is no number, a parameter. SageMaker keeps no ids of ours,
/// so it is known by its number which event arrived.
pub(crate) struct Runs {
    fake: SageMaker,
    ids: RefCell<Vec<EventId>>,
}

impl Runs {
    pub(crate) fn new() -> Self {
        let fake = SageMaker::start().unwrap();
        fake.create_run("e", RUN);
        Self { fake, ids: RefCell::default() }
    }
}

impl Peer for Runs {
    fn event(&self, text: &str) -> Event {
        let mut ids = self.ids.borrow_mut();
        let number = ids.len();
        let event = if text.parse::<u32>().is_ok() {
            RunUpdate::metrics_event(RUN, Timestamp::now(), &[("n", 1.0)], Some(number as i64))
        } else {
            let parameter = (format!("text{number}"), text.into());
            RunUpdate::now(RUN, RunChange::Params(Pairs(vec![parameter]))).to_event().unwrap()
        };
        ids.push(event.id());
        event
    }

    fn config(&self) -> Arc<dyn Validated> {
        let mut config = SageMakerConfig::default().with_keys("AKIDTEST", "secret", None);
        config.endpoint_url = Some(self.fake.url());
        Arc::new(config)
    }

    fn behind(&self) -> Option<&dyn Behind> {
        Some(self)
    }

    /// The order within a run is that of its steps, so what has arrived is shown in it.
    fn received(&self) -> Vec<String> {
        assert_eq!(self.fake.violations(), Vec::<String>::new());
        let component = self.fake.components().remove(RUN).unwrap();
        let mut numbers: Vec<_> = component.points.iter().map(|point| point.step as usize).collect();
        let texts = component.parameters.keys().filter_map(|name| name.strip_prefix("text"));
        numbers.extend(texts.map(|number| number.parse::<usize>().unwrap()));
        numbers.sort_unstable();
        let ids = self.ids.borrow();
        numbers.into_iter().map(|number| ids[number].to_string()).collect()
    }

    fn take_down(&self) -> bool {
        self.fake.behave(|behaviour| behaviour.always = Some(Trouble::Unavailable));
        true
    }

    fn bring_up(&self) {
        self.fake.behave(|behaviour| behaviour.always = None);
    }
}

impl Behind for Runs {
    fn address(&self) -> SocketAddr {
        self.fake.address()
    }

    fn through(&self, origin: &str, seconds: f64) -> Arc<dyn Validated> {
        let mut config = SageMakerConfig::default().with_keys("AKIDTEST", "secret", None);
        config.endpoint_url = Some(origin.to_owned());
        config.request_timeout = Some(Duration::from_secs_f64(seconds));
        Arc::new(config)
    }
}
