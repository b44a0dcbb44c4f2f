//! One suite for every destination.
//!
//! A destination enters by standing in `ALL`; it then needs a [`Peer`] here, which is the receiving
//! side as a test sees it. Trials are named `destination::case`.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cases;
mod documents;
mod faults;
mod messages;
mod mlflow;
mod peers;
mod sagemaker;
mod web;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use nethical_core::event::Family;
use nethical_destinations::{ALL, Descriptor};

fn main() -> ExitCode {
    let _trusted = faults::trust();
    if faults::is_done_as_child() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let trials = ALL.iter().flat_map(|descriptor| trials(descriptor)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    faults::write();
    conclusion.exit_code()
}

fn trials(descriptor: &'static Descriptor) -> Vec<Trial> {
    let on_paper = cases::ON_PAPER.iter().map(move |(case, run)| {
        Trial::test(format!("{}::{case}", descriptor.name), move || {
            run(descriptor);
            Ok(())
        })
    });
    // Runs of W&B are no events on a connector: `tests/wandb` puts the same questions to them.
    let takes_events = descriptor.name != "wandb";
    let with_peer = cases::WITH_PEER.iter().filter(move |_| takes_events).map(move |(case, run)| {
        Trial::test(format!("{}::{case}", descriptor.name), move || {
            run(&*peers::start(descriptor.name));
            Ok(())
        })
    });
    let takes = |family| descriptor.families.contains(&family);
    let alerts = cases::WITH_ALERTS.iter().filter(move |_| takes(Family::Alerts)).map(move |(case, run)| {
        Trial::test(format!("{}::{case}", descriptor.name), move || {
            run(&*peers::start(descriptor.name));
            Ok(())
        })
    });
    let is_web = takes(Family::Alerts) && !takes(Family::Logs);
    let faults = web::CASES.iter().filter(move |_| is_web).map(move |(case, run)| {
        Trial::test(format!("{}::{case}", descriptor.name), move || {
            run(&*peers::start(descriptor.name));
            Ok(())
        })
    });
    let table = Trial::test(format!("{}::faults_end_as_the_table_says", descriptor.name), move || {
        faults::check(descriptor);
        Ok(())
    });
    on_paper.chain(with_peer).chain(alerts).chain(faults).chain([table]).collect()
}

/// The receiving side.
pub trait Peer {
    /// An event of a kind that this destination takes, about this text.
    fn event(&self, text: &str) -> nethical_core::event::Event {
        testkit::event(text)
    }
    /// Whether events arrive in the order in which they were sent.
    fn is_ordered(&self) -> bool {
        true
    }
    /// Whether events reach it through the spool.
    fn is_remote(&self) -> bool {
        true
    }
    /// Messages a second that it takes, where the destination would usually keep a slower pace.
    fn pace(&self) -> Option<f64> {
        None
    }
    /// The same as something that answers by HTTP, if it is that.
    fn web(&self) -> Option<&dyn WebPeer> {
        None
    }
    /// Options that lead to this peer.
    fn config(&self) -> std::sync::Arc<dyn nethical_destinations::Validated>;
    /// The same as a server of HTTP, for what stands in front of it.
    fn behind(&self) -> Option<&dyn Behind> {
        None
    }
    /// The ids of the events that arrived, in order.
    fn received(&self) -> Vec<String>;
    /// Make deliveries fail until [`bring_up`](Self::bring_up). `false`: this peer cannot fail.
    fn take_down(&self) -> bool;
    fn bring_up(&self);
}

/// A receiving side that is spoken to by HTTP.
pub trait Behind {
    /// Where it listens.
    fn address(&self) -> std::net::SocketAddr;
    /// Options that lead to `origin` (`http://host:port`), which gives an attempt so many seconds.
    fn through(&self, origin: &str, seconds: f64) -> std::sync::Arc<dyn nethical_destinations::Validated>;
}

/// A receiving side that is spoken to by HTTP, one request for each message.
pub trait WebPeer {
    /// Options that lead to this peer, with an attempt that may take so many seconds, and short waits.
    fn impatient(&self, seconds: f64) -> std::sync::Arc<dyn nethical_destinations::Validated>;
    /// Answer the next request like this.
    fn answer(&self, answer: nethical_receivers::http::Answer);
    /// Answer every request like this.
    fn always(&self, answer: nethical_receivers::http::Answer);
    /// Requests that came, also those of no avail.
    fn requests(&self) -> u64;
}
