use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
    verify: Vec<Case>,
}

/// A message and its signature.
#[derive(Deserialize)]
struct Vector {
    name: String,
    secrets: Vec<String>,
    id: String,
    timestamp: i64,
    body: String,
    signature: String,
}

/// What becomes of a message when something about it is changed.
#[derive(Deserialize)]
struct Case {
    name: String,
    of: String,
    now: i64,
    body: Option<String>,
    signature: Option<String>,
    accept: bool,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("signature_vectors.json")).unwrap()
}

fn keys(vector: &Vector) -> Vec<Key> {
    vector.secrets.iter().map(|secret| secret.parse().unwrap()).collect()
}

#[test]
fn signs_as_the_reference_libraries_do() {
    for vector in vectors().vectors {
        let signature = sign(&keys(&vector), &vector.id, vector.timestamp, vector.body.as_bytes()).unwrap();
        assert_eq!(signature, vector.signature, "{}", vector.name);
    }
}

#[test]
fn verifies_as_the_reference_libraries_do() {
    let Vectors { vectors, verify: cases } = vectors();
    for case in cases {
        let vector = vectors.iter().find(|vector| vector.name == case.of).unwrap();
        let timestamp = vector.timestamp.to_string();
        let signature = case.signature.as_deref().unwrap_or(&vector.signature);
        let headers = Headers { id: &vector.id, timestamp: &timestamp, signature };
        let body = case.body.as_ref().unwrap_or(&vector.body).as_bytes();
        let accepted = verify(&keys(vector), &headers, body, case.now, TOLERANCE);
        assert_eq!(accepted.is_ok(), case.accept, "{}: {accepted:?}", case.name);
    }
}

#[test]
fn either_of_two_secrets_does_while_they_change() {
    let vector = vectors().vectors.into_iter().find(|vector| vector.secrets.len() == 2).unwrap();
    let timestamp = vector.timestamp.to_string();
    let headers = Headers { id: &vector.id, timestamp: &timestamp, signature: &vector.signature };
    for key in keys(&vector) {
        assert_eq!(verify(&[key], &headers, vector.body.as_bytes(), vector.timestamp, TOLERANCE), Ok(()));
    }
}

#[test]
fn odd_signatures_are_errors_and_never_more() {
    let key: Key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    for signature in
        ["", " ", ",", "v1", "v1,", "v1,,", "v1,a,b", "v1,é", "v1a,AAAA", "v2", "v1,====", "\u{0}"]
    {
        let headers = Headers { id: "a", timestamp: "1", signature };
        assert_eq!(
            verify(std::slice::from_ref(&key), &headers, b"\xff\x00", 1, TOLERANCE),
            Err(SignatureError::NoMatch)
        );
    }
    for timestamp in ["", "+1", "-1", "1.5", " 1", "1e3", "99999999999999999999"] {
        let headers = Headers { id: "a", timestamp, signature: "v1,AAAA" };
        assert_eq!(
            verify(std::slice::from_ref(&key), &headers, b"", 1, TOLERANCE),
            Err(SignatureError::Timestamp)
        );
    }
    let signature = sign(std::slice::from_ref(&key), "a", 1, b"\xff\x00").unwrap();
    let headers = Headers { id: "a", timestamp: "1", signature: &signature };
    assert_eq!(verify(std::slice::from_ref(&key), &headers, b"\xff\x00", 1, TOLERANCE), Ok(()), "any bytes");
    assert_eq!(sign(&[key], "a.b", 1, b""), Err(SignatureError::Id));
    assert_eq!(sign(&[], "a", 1, b""), Err(SignatureError::NoKey));
}

#[test]
fn secrets_that_cannot_be_meant_are_errors_and_are_not_shown() {
    for wrong in [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_not base64",
        "whsk_x",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
    ] {
        assert!(wrong.parse::<Key>().is_err(), "{wrong}");
    }
    let key: Key = "my secret".parse().unwrap();
    assert_eq!(format!("{key:?}"), "[secret]");
    // Computed with `openssl dgst -sha256 -hmac`.
    assert_eq!(
        sign_plain(&"key".parse().unwrap(), b"The quick brown fox jumps over the lazy dog"),
        "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    );
}
