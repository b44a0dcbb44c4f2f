//! Whether alerts have somewhere to go.

use nethical::Config;
use nethical::config::Section;

use super::finding::Finding;
use crate::render::count;

/// What routes and monitors lack.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let names: Vec<_> = config.section(Section::Alerts).map(|destination| destination.name()).collect();
    let mut found = Vec::new();
    let monitors = config.monitors().len() as u64;
    if names.is_empty() && monitors > 0 {
        let text = format!("{} and nobody who gets alerts", count(monitors, "monitor"));
        found.push(Finding::warning("monitors", text, "add a destination, such as `[alerts.slack]`"));
    } else if monitors > 0 {
        found.push(Finding::ok("monitors", count(monitors, "monitor")));
    }
    for (number, route) in config.routes().iter().enumerate() {
        let is_off = |name: &String| !names.contains(&name.as_str());
        if route.to.iter().all(is_off) {
            let text =
                format!("route {} leads only to what is switched off: {}", number + 1, route.to.join(", "));
            let hint = "leave out `enabled = false`, or name another destination in `to`";
            found.push(Finding::warning("routes", text, hint));
        }
    }
    found
}
