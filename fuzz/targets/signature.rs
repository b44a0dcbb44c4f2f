//! Any headers and body in place of a signed message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nethical_destinations::webhook::{Headers, Key, TOLERANCE, sign, verify};

const NOW: i64 = 1_700_000_000;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(5, |byte| *byte == b'\n');
    let mut text = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned()).unwrap_or_default();
    let (key, id, timestamp, signature) = (text(), text(), text(), text());
    let body = parts.next().unwrap_or_default();
    let Ok(key) = key.parse::<Key>() else { return };
    let keys = [key];
    let headers = Headers { id: &id, timestamp: &timestamp, signature: &signature };
    let trusted = verify(&keys, &headers, body, NOW, TOLERANCE).is_ok();
    match sign(&keys, &id, NOW, body) {
        Ok(made) => {
            let now = NOW.to_string();
            let list = format!("{signature} {made} v1a,odd");
            let headers = Headers { id: &id, timestamp: &now, signature: &list };
            assert!(verify(&keys, &headers, body, NOW, TOLERANCE).is_ok(), "what is signed is trusted");
            let late = verify(&keys, &headers, body, NOW + 301, TOLERANCE);
            assert!(late.is_err(), "and not for ever");
            if trusted {
                let exact =
                    sign(&keys, &id, timestamp.parse().expect("a number"), body).expect("the same id");
                assert!(
                    signature.split(' ').any(|one| one == exact),
                    "what is trusted is what we would sign"
                );
            }
        }
        Err(_) => assert!(!trusted, "nothing is trusted that cannot be signed"),
    }
});
