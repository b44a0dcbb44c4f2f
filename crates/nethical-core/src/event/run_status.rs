use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It is under way.
    Running,
    /// It came to its end.
    Completed,
    /// It ended because something went wrong.
    Failed,
    /// It was ended from outside.
    Killed,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Running, Self::Completed, Self::Failed, Self::Killed];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }

    /// Whether a run with it has ended.
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Running)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = UnknownStatus;

    /// The name in whatever case; `finished`, as other trackers say, is `completed`.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let named = |status: &Self| status.as_str().eq_ignore_ascii_case(text);
        let finished = || text.eq_ignore_ascii_case("finished").then_some(Self::Completed);
        Self::ALL.into_iter().find(named).or_else(finished).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// A text that is no status.
#[derive(Debug, Clone)]
pub struct UnknownStatus(String);

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no status of a run: use `completed`, `failed` or `killed`", self.0)
    }
}

impl std::error::Error for UnknownStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_in_any_case() {
        assert_eq!("Completed".parse::<RunStatus>().unwrap(), RunStatus::Completed);
        assert_eq!("FINISHED".parse::<RunStatus>().unwrap(), RunStatus::Completed);
        for status in RunStatus::ALL {
            assert_eq!(status.as_str().parse::<RunStatus>().unwrap(), status);
        }
        assert!("done".parse::<RunStatus>().unwrap_err().to_string().contains("`completed`"));
    }
}
