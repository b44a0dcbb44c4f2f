//! Bounds of numbers, which serde does not know and the schema says.

use super::{Options, OptionsError, Value};

pub(super) fn check(options: &Options, schema: &schemars::Schema) -> Result<(), OptionsError> {
    let Some(properties) = schema.get("properties") else { return Ok(()) };
    for entry in options.entries() {
        let value = match entry.node.value {
            // Exact up to 2^53, and bounds are far smaller than that.
            Value::Int(value) => value as f64,
            Value::Float(value) => value,
            _ => continue,
        };
        let name = &entry.key.name;
        let Some(property) = properties.get(name) else { continue };
        let bound = |key: &str| property.get(key).and_then(serde_json::Value::as_f64);
        if let Some(least) = bound("minimum").filter(|least| value < *least) {
            return Err(options.error_at(name, format!("must be at least {least}")));
        }
        if let Some(most) = bound("maximum").filter(|most| value > *most) {
            return Err(options.error_at(name, format!("must be at most {most}")));
        }
    }
    Ok(())
}
