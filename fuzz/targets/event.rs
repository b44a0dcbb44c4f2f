//! Any bytes in place of a stored event.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nethical_core::event::Event;

fuzz_target!(|input: &[u8]| {
    if let Some(event) = Event::from_stored(input) {
        assert_eq!(event.to_stored(), input, "it comes back as it was");
        if let Ok(view) = event.log() {
            let _ = format!("{view:?}");
        }
    }
});
