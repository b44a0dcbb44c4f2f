//! Which deliveries, and where they are on record.

use std::path::{Path, PathBuf};

use nethical::delivery::{DeliveryStatus, Record, RecordFilter, deliveries};
use nethical::event::Timestamp;

use crate::failure::Failure;
use crate::units::moment;

/// Which deliveries; all without any of these.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// To this webhook.
    #[arg(long, short, value_name = "NAME")]
    destination: Option<String>,
    /// That came this far: success, failed or retrying.
    #[arg(long, value_parser = status)]
    status: Option<DeliveryStatus>,
    /// Sent last at or after this time: RFC 3339, or an age such as 90s, 2h or 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Sent last before this time: RFC 3339, or an age.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

/// Where to look.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// The directory to look into. Without it that of the configuration, else that of the environment.
    #[arg(long, value_name = "DIR")]
    pub(super) home: Option<PathBuf>,
}

fn status(text: &str) -> Result<DeliveryStatus, String> {
    let all = [DeliveryStatus::Success, DeliveryStatus::Failed, DeliveryStatus::Retrying];
    let wrong = || "use success, failed or retrying".to_owned();
    all.into_iter().find(|status| status.as_str() == text).ok_or_else(wrong)
}

impl Selection {
    /// Whether anything is left out.
    pub(super) const fn is_all(&self) -> bool {
        self.destination.is_none() && self.status.is_none() && self.since.is_none() && self.until.is_none()
    }

    /// The latest that were selected, at most `limit`, the latest first. Of each the last state.
    pub(super) fn read(&self, home: &Path, id: Option<&str>, limit: usize) -> Result<Vec<Record>, Failure> {
        let filter = RecordFilter {
            destination: self.destination.clone(),
            id: id.map(str::to_owned),
            status: self.status,
        };
        let bounded = self.since.is_some() || self.until.is_some();
        let most = if bounded { usize::MAX } else { limit };
        let mut found = deliveries(home, &filter, most)
            .map_err(|error| Failure::io("read the record of deliveries", &error))?;
        found.retain(|record| self.is_within(record.delivery.last_attempt));
        found.truncate(limit);
        Ok(found)
    }

    fn is_within(&self, at: Option<Timestamp>) -> bool {
        let is = |test: &dyn Fn(Timestamp) -> bool| at.is_some_and(test);
        self.since.is_none_or(|since| is(&|at| at >= since))
            && self.until.is_none_or(|until| is(&|at| at < until))
    }
}
