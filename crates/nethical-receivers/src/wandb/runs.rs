//! Runs, and the rules of `file_stream`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api::Said;
use super::state::{Slot, State};

/// A run as the server has it.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub(super) number: usize,
    /// Its id, which W&B calls its name.
    pub id: String,
    /// Who has it.
    pub entity: String,
    /// Where.
    pub project: String,
    /// What people see.
    pub display_name: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Its job type.
    pub job_type: Option<String>,
    /// Its notes.
    pub notes: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its configuration, as it was sent last.
    pub config: Value,
    /// Lines of its history.
    pub history: Vec<String>,
    /// Lines of measurements of its machine.
    pub events: Vec<String>,
    /// Lines of its console.
    pub output: Vec<String>,
    /// Its summary, as it was sent last.
    pub summary: Option<String>,
    /// `running`, `finished` or `failed`.
    pub state: &'static str,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// Files whose bytes have come, with these.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Files that were said to have come.
    pub uploaded: Vec<String>,
    /// Requests to `file_stream`, and those without anything in them.
    pub requests: u64,
    /// Signs of life.
    pub heartbeats: u64,
    /// Lines that came a second time, unchanged.
    pub repeated: u64,
}

impl Run {
    /// The rows, as objects. Numbers that JSON does not have are texts.
    pub fn rows(&self) -> Vec<Map<String, Value>> {
        self.history.iter().map(|line| serde_json::from_str(&quoted(line)).unwrap_or_default()).collect()
    }

    /// The summary, as it was sent last. Numbers that JSON does not have are texts.
    pub fn summed_up(&self) -> Option<Value> {
        serde_json::from_str(&quoted(self.summary.as_deref()?)).ok()
    }

    /// The value of a key in the configuration.
    pub fn configured(&self, key: &str) -> Option<&Value> {
        self.config.get(key)?.get("value")
    }
}

/// JSON in which the numbers that it does not have, which W&B writes as Python does, are texts.
fn quoted(json: &str) -> String {
    let (mut out, mut in_text) = (String::with_capacity(json.len() + 16), false);
    for part in json.split_inclusive('"') {
        if in_text {
            out.push_str(part);
            in_text = is_escaped(part);
        } else {
            // The shorter word stands in the longer one, so the sign joins it afterwards.
            let named = part.replace("NaN", "\"NaN\"").replace("Infinity", "\"Infinity\"");
            out.push_str(&named.replace("-\"Infinity\"", "\"-Infinity\""));
            in_text = true;
        }
    }
    out
}

/// Whether the quote at the end of a part is one of the text.
fn is_escaped(part: &str) -> bool {
    let before = part.strip_suffix('"').unwrap_or(part);
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

fn text<'v>(variables: &'v Value, key: &str) -> Option<&'v str> {
    variables.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn key(state: &State, variables: &Value) -> (String, String, String) {
    let entity = text(variables, "entity").unwrap_or(&state.behaviour.entity);
    let project = text(variables, "project").unwrap_or("uncategorized");
    (entity.to_owned(), project.to_owned(), text(variables, "name").unwrap_or_default().to_owned())
}

pub(super) fn upsert(state: &mut State, variables: &Value) -> Said {
    let key = key(state, variables);
    if state.behaviour.deleted.contains(&key.2) {
        return Err((409, format!("run {} was previously created and deleted; try a new run name", key.2)));
    }
    if let Some(wrong) = limits(variables) {
        return Err((400, state.violation(wrong)));
    }
    let number = state.runs.len();
    let inserted = !state.runs.contains_key(&key);
    let run = state.runs.entry(key.clone()).or_insert_with(|| Run {
        number,
        entity: key.0.clone(),
        project: key.1.clone(),
        id: key.2.clone(),
        config: json!({}),
        state: "running",
        ..Run::default()
    });
    let fields = [
        (&mut run.display_name, "displayName"),
        (&mut run.group, "groupName"),
        (&mut run.job_type, "jobType"),
        (&mut run.notes, "notes"),
    ];
    for (field, name) in fields {
        if let Some(given) = text(variables, name) {
            *field = Some(given.to_owned());
        }
    }
    if let Some(tags) = variables.get("tags").and_then(Value::as_array) {
        run.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(config) = text(variables, "config") {
        match serde_json::from_str(config) {
            Ok(config) => run.config = config,
            Err(error) => return Err((400, state.violation(format!("config is no JSON: {error}")))),
        }
    }
    let first = variables.get("id").is_none_or(Value::is_null);
    if first && run.state != "running" {
        (run.state, run.exit_code) = ("running", None);
    }
    let bucket = json!({
        "id": format!("UnVu{}", run.number), "name": run.id, "displayName": run.display_name, "description": null,
        "config": run.config.to_string(), "sweepName": null, "historyLineCount": run.history.len(),
        "project": { "id": "UHJvamVjdDox", "name": run.project, "entity": { "id": "RW50aXR5OjE=", "name": run.entity } },
    });
    Ok(json!({ "upsertBucket": { "bucket": bucket, "inserted": inserted } }))
}

/// How a description is outside the limits.
fn limits(variables: &Value) -> Option<String> {
    let most = [("name", 64), ("project", 128), ("displayName", 128), ("groupName", 128), ("jobType", 64)];
    for (name, most) in most {
        if text(variables, name).is_some_and(|given| given.chars().count() > most) {
            return Some(format!("{name} has more than {most} characters"));
        }
    }
    let tags = variables.get("tags").and_then(Value::as_array);
    let long = |tag: &Value| tag.as_str().is_none_or(|tag| !(1..=64).contains(&tag.chars().count()));
    if tags.is_some_and(|tags| tags.iter().any(long)) {
        return Some("a tag has more than 64 characters, or none".to_owned());
    }
    text(variables, "config")
        .filter(|config| config.len() > 15_000_000)
        .map(|_| "run config cannot exceed 15 MB".to_owned())
}

pub(super) fn resume_status(state: &State, variables: &Value) -> Value {
    let key = key(state, variables);
    let tail = |lines: &[String]| json!(lines.last().into_iter().collect::<Vec<_>>()).to_string();
    let bucket = state.runs.get(&key).map(|run| {
        let internal = run.config.get("_wandb").and_then(|inner| inner.get("value"));
        let telemetry = internal.and_then(|inner| inner.get("t"));
        json!({
            "id": format!("UnVu{}", run.number), "name": run.id, "displayName": run.display_name,
            "summaryMetrics": run.summary.as_deref().unwrap_or("{}"), "config": run.config.to_string(),
            "historyLineCount": run.history.len(), "eventsLineCount": run.events.len(),
            "logLineCount": run.output.len(), "historyTail": tail(&run.history), "eventsTail": tail(&run.events),
            "tags": run.tags, "notes": run.notes,
            "wandbConfig": telemetry.map_or_else(|| "{}".to_owned(), |t| json!({ "t": t }).to_string()),
        })
    });
    json!({ "model": { "id": "UHJvamVjdDox", "name": key.1, "entity": { "id": "RW50aXR5OjE=", "name": key.0 },
        "bucket": bucket } })
}

pub(super) fn files(state: &mut State, variables: &Value, base: &str) -> Said {
    let id = text(variables, "run").unwrap_or_default().to_owned();
    if !state.runs.values().any(|run| run.id == id) {
        return Err((404, "run not found".to_owned()));
    }
    let names = variables.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
    let file = |name: &Value| {
        let name = name.as_str().unwrap_or_default().to_owned();
        let url = state.slot(base, Slot::File { run: id.clone(), name: name.clone() });
        json!({ "name": name, "uploadUrl": url })
    };
    let files: Vec<_> = names.iter().map(file).collect();
    Ok(json!({ "createRunFiles": { "runID": id, "uploadHeaders": [], "files": files } }))
}

pub(super) fn file_stream(state: &mut State, path: &str, body: &Value) -> Said {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [_, entity, project, id, _] = parts.as_slice() else { return Err((404, "not found".to_owned())) };
    let key = ((*entity).to_owned(), project.replace("%20", " "), (*id).to_owned());
    let stopped = state.behaviour.stopped.contains(*id);
    let poison = state.behaviour.poison.clone();
    if poison.is_some_and(|poison| body.to_string().contains(&poison)) {
        return Err((422, "this cannot be processed".to_owned()));
    }
    let Some(run) = state.runs.get_mut(&key) else { return Err((404, "run not found".to_owned())) };
    run.requests += 1;
    let Some(object) = body.as_object() else { return Err((400, "the body is no object".to_owned())) };
    run.heartbeats += u64::from(object.is_empty());
    let mut wrong = None;
    if let Some(files) = object.get("files").and_then(Value::as_object) {
        for (name, chunk) in files {
            wrong = wrong.or(take(run, name, chunk).err());
        }
    }
    if let Some(wrong) = wrong {
        return Err((400, state.violation(format!("{id}: {wrong}"))));
    }
    let uploaded = object.get("uploaded").and_then(Value::as_array).into_iter().flatten();
    run.uploaded.extend(uploaded.filter_map(Value::as_str).map(str::to_owned));
    if object.get("complete") == Some(&Value::Bool(true)) {
        run.exit_code = object.get("exitcode").and_then(Value::as_i64);
        run.state = if run.exit_code == Some(0) { "finished" } else { "failed" };
    }
    Ok(json!({ "exitcode": null, "limits": {}, "stopped": stopped }))
}

/// Lines have places; one that is taken is never given to another line, and none is left out.
fn take(run: &mut Run, name: &str, chunk: &Value) -> Result<(), String> {
    let offset = chunk.get("offset").and_then(Value::as_u64).ok_or_else(|| format!("{name}: no offset"))?;
    let offset = usize::try_from(offset).map_err(|_| format!("{name}: offset too large"))?;
    let content =
        chunk.get("content").and_then(Value::as_array).ok_or_else(|| format!("{name}: no content"))?;
    let lines: Option<Vec<&str>> = content.iter().map(Value::as_str).collect();
    let lines = lines.ok_or_else(|| format!("{name}: a line is no text"))?;
    if lines.iter().any(|line| line.contains('\n')) {
        return Err(format!("{name}: a line end inside a line"));
    }
    let held = match name {
        "wandb-history.jsonl" => &mut run.history,
        "wandb-events.jsonl" => &mut run.events,
        "output.log" => &mut run.output,
        "wandb-summary.json" => {
            run.summary = lines.last().map(|line| (*line).to_owned());
            return Ok(());
        }
        other => return Err(format!("{other}: no such file")),
    };
    if offset > held.len() {
        return Err(format!("{name}: a gap, offset {offset} with {} lines held", held.len()));
    }
    for (index, line) in lines.into_iter().enumerate() {
        match held.get_mut(offset + index) {
            Some(known) if known == line => run.repeated += 1,
            // The console is rewritten by progress bars.
            Some(known) if name == "output.log" => line.clone_into(known),
            Some(_) => return Err(format!("{name}: line {} is taken by another one", offset + index)),
            None if run.state != "running" && name == "wandb-history.jsonl" => {
                return Err(format!("{name}: a row after the end of the run"));
            }
            None => held.push(line.to_owned()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_are_texts_at_any_depth() {
        let row = r#"{"v":[1,Infinity],"x":{"y":-Infinity,"z":[NaN]},"NaN \" :NaN,":"-Infinity \\","c":1}"#;
        let wanted =
            r#"{"v":[1,"Infinity"],"x":{"y":"-Infinity","z":["NaN"]},"NaN \" :NaN,":"-Infinity \\","c":1}"#;
        let run = Run { history: vec![row.to_owned()], summary: Some(row.to_owned()), ..Run::default() };
        let wanted: Value = serde_json::from_str(wanted).unwrap();
        assert_eq!(Value::from(run.rows().remove(0)), wanted);
        assert_eq!(run.summed_up(), Some(wanted));
        assert_eq!(Run::default().summed_up(), None);
    }
}
