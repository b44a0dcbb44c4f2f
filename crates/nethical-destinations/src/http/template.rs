//! Bodies of one's own, by Jinja templates.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};
use nethical_core::event::{Event, whole_numbers};
use serde_json::value::RawValue;

/// A template for bodies. Every value that it writes is written as JSON, so no content can break out of its place.
pub(crate) struct Template(Environment<'static>);

const NAME: &str = "body";

impl Template {
    /// Read a template.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| shown(&error))?;
        Ok(Self(environment))
    }

    /// The body for an event: valid JSON.
    ///
    /// # Errors
    /// Why it cannot be made, or is no JSON.
    pub(super) fn render(&self, event: &Event) -> Result<Vec<u8>, String> {
        let view = event.message().map_err(|error| error.to_string())?;
        let parsed = |raw: &RawValue| serde_json::from_str::<serde_json::Value>(&whole_numbers(raw.get()));
        let data = parsed(view.data).map_err(|error| error.to_string())?;
        let metadata = parsed(view.metadata).map_err(|error| error.to_string())?;
        let values = context! {
            event_type => &*view.event_type,
            data => Value::from(Serde(&data)),
            timestamp => view.timestamp,
            metadata => Value::from(Serde(&metadata)),
            id => event.id().to_string(),
            level => event.level().as_str(),
        };
        let template = self.0.get_template(NAME).map_err(|error| shown(&error))?;
        let body = template.render(values).map_err(|error| shown(&error))?;
        serde_json::from_str::<&RawValue>(&body)
            .map_err(|error| format!("what the template makes is no JSON: {error}"))?;
        Ok(body.into_bytes())
    }
}

fn shown(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("the template has a fault{line}: {}{detail}", error.kind())
}

#[cfg(test)]
mod tests {
    use nethical_core::event::{Event, Message};
    use serde_json::{Value, json};

    use super::Template;

    fn render(template: &str, data: Value) -> Result<Value, String> {
        let event = Message::new("model \"x\"", data).encode().event;
        let body = Template::new(template)?.render(&event)?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn values_are_written_as_json_and_cannot_break_out() {
        let template = r#"{"title": {{ event_type ~ ": " ~ data.name }}, "all": {{ data }}, "none": {{ data.missing }}}"#;
        let nasty = "\", \"admin\": true, \"x\": \"</script>\n\u{2028}";
        let body = render(template, json!({ "name": nasty })).unwrap();
        assert_eq!(body["title"], format!("model \"x\": {nasty}"));
        assert_eq!(body["all"]["name"], nasty);
        assert_eq!(body["none"], Value::Null);
        assert_eq!(body.as_object().unwrap().len(), 3);
        let body = render(
            r#"[{% for one in data.list %}{{ one }}{% if not loop.last %},{% endif %}{% endfor %}]"#,
            json!({ "list": [1, "a"] }),
        );
        assert_eq!(body.unwrap(), json!([1, "a"]));
    }

    /// As Python writes them.
    #[test]
    fn large_numbers_keep_their_digits() {
        let event = Message::new("paid", json!({ "id": 7 })).encode().event;
        let json =
            String::from_utf8(event.json().to_vec()).unwrap().replace(":7}", ":12345678901234567890123}");
        let event = Event::new(event.id(), event.at(), event.level(), event.family(), json.as_bytes());
        let body = Template::new(r#"{"id": {{ data.id }}}"#).unwrap().render(&event).unwrap();
        assert_eq!(body, br#"{"id": "12345678901234567890123"}"#);
    }

    #[test]
    fn faults_say_where_they_are() {
        let error = render("{\n\"a\": {{ data. }}\n}", json!({})).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        let error = render("not json", json!({})).unwrap_err();
        assert!(error.contains("no JSON"), "{error}");
        let error = render("{{ data|nofilter }}", json!({})).unwrap_err();
        assert!(error.contains("nofilter"), "{error}");
    }
}
