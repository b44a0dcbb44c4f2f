//! What programs say with the macros of `tracing` and `log`, as log entries.

#[cfg(feature = "log-bridge")]
mod log_bridge;
#[cfg(feature = "tracing-layer")]
mod tracing_layer;

#[cfg(feature = "log-bridge")]
pub use self::log_bridge::LogBridge;
#[cfg(feature = "tracing-layer")]
pub use self::tracing_layer::TracingLayer;

/// A text, as far as it can be written: how somebody's value shows itself may fail.
fn shown(text: std::fmt::Arguments<'_>) -> String {
    let mut out = String::new();
    let _ = std::fmt::Write::write_fmt(&mut out, text);
    out
}

/// Whether something said now, with this target, comes from the delivery itself. Were it delivered,
/// an attempt that fails would make more to deliver, and so on for ever.
fn is_ours(target: &str) -> bool {
    let target = target.split("::").next().unwrap_or(target);
    target == "nethical" || target.starts_with("nethical_") || nethical_core::delivery::runtime::is_ours()
}
