//! A point of a metric, read back.

use nethical_core::event::Timestamp;

/// One value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Its step; 0 if the program counted none.
    pub step: i64,
    /// When it was logged.
    pub time: Timestamp,
    /// NaN where the program logged that.
    pub value: f64,
}
