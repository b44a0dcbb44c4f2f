//! What is wrong with a body, in the nested form in which Discord says it.

use serde_json::{Map, Value, json};

/// Faults with their places.
#[derive(Debug, Default)]
pub(super) struct Faults {
    place: Vec<String>,
    found: Vec<(Vec<String>, &'static str, String)>,
}

impl Faults {
    /// Look at something below this key or index.
    pub(super) fn within(&mut self, key: &(impl ToString + ?Sized), look: impl FnOnce(&mut Self)) {
        self.place.push(key.to_string());
        look(self);
        self.place.pop();
    }

    /// This place is wrong.
    pub(super) fn add(&mut self, code: &'static str, message: impl Into<String>) {
        self.found.push((self.place.clone(), code, message.into()));
    }

    /// `Ok` if there are none.
    pub(super) fn finish(self) -> Result<(), Value> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut root = Value::Object(Map::new());
        for (place, code, message) in self.found {
            let mut at = &mut root;
            for key in place {
                let Value::Object(object) = at else { break };
                at = object.entry(key).or_insert_with(|| json!({}));
            }
            let Value::Object(object) = at else { continue };
            if let Value::Array(list) = object.entry("_errors").or_insert_with(|| json!([])) {
                list.push(json!({ "code": code, "message": message }));
            }
        }
        Err(root)
    }

    /// Text of at least `least` and at most `most` characters. Returns how many it has.
    ///
    /// White space at both ends does not count. Characters are UTF-16 units, which are never fewer than
    /// code points: it is not documented which of them Discord counts.
    pub(super) fn text(&mut self, value: &Value, least: usize, most: usize) -> usize {
        let Some(text) = value.as_str() else {
            self.add("BASE_TYPE_CHOICES", "Only strings are allowed here.");
            return 0;
        };
        let count = text.trim().encode_utf16().count();
        if count > most && least > 0 {
            self.add("BASE_TYPE_BAD_LENGTH", format!("Must be between {least} and {most} in length."));
        } else if count > most {
            self.add("BASE_TYPE_MAX_LENGTH", format!("Must be {most} or fewer in length."));
        } else if count < least {
            self.add("BASE_TYPE_REQUIRED", "This field is required");
        }
        count
    }

    /// An address on the web, or that of an attachment.
    pub(super) fn url(&mut self, value: &Value) {
        self.text(value, 0, 2_048);
        let text = value.as_str().unwrap_or_default();
        let known = ["http://", "https://", "attachment://"];
        if !known.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
            self.add("URL_TYPE_INVALID_URL", "Not a well formed URL.");
        }
    }

    pub(super) fn flag(&mut self, value: &Value) {
        if !value.is_boolean() {
            self.add("BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
        }
    }

    /// An object whose keys are each looked at; null counts as absent.
    pub(super) fn object(&mut self, value: &Value, mut look: impl FnMut(&mut Self, &str, &Value) -> bool) {
        let Some(object) = value.as_object() else {
            return self.add("MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType");
        };
        for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let mut known = true;
            self.within(key, |faults| known = look(faults, key, value));
            if !known {
                self.within(key, |faults| faults.add("UNKNOWN_KEY", "Discord would ignore this key."));
            }
        }
    }

    /// A list of at most so many, each of which is looked at.
    pub(super) fn list(&mut self, value: &Value, most: usize, mut look: impl FnMut(&mut Self, &Value)) {
        let Some(items) = value.as_array() else {
            return self.add("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
        };
        if items.len() > most {
            self.add("BASE_TYPE_MAX_LENGTH", format!("Must be {most} or fewer in length."));
        }
        for (index, item) in items.iter().enumerate() {
            self.within(&index, |faults| look(faults, item));
        }
    }
}
