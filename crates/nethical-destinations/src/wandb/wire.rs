//! What is sent to `file_stream`, and what is answered.

use serde::Deserialize;

use super::json;

/// The most bytes of lines in one request. A single longer line goes alone.
pub(super) const MOST_BYTES: usize = 10 << 20;

/// Lines of one file.
#[derive(Debug, Default)]
pub(super) struct Lines<'a> {
    /// The number of the first one, counted from 0.
    pub(super) offset: u64,
    pub(super) content: Vec<&'a str>,
}

/// One request.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) history: Lines<'a>,
    pub(super) events: Lines<'a>,
    pub(super) output: Lines<'a>,
    /// The whole summary, if it changed.
    pub(super) summary: Option<&'a str>,
    /// Names of files whose bytes have arrived.
    pub(super) uploaded: &'a [String],
    /// The exit code, in the last request.
    pub(super) exit: Option<i32>,
}

impl Chunk<'_> {
    /// Whether there is nothing in it: a sign of life.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.body() == b"{}"
    }

    /// As the server reads it.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            256 + self.history.content.iter().map(|line| line.len() * 5 / 4).sum::<usize>(),
        );
        out.push(b'{');
        self.write_files(&mut out);
        if !self.uploaded.is_empty() {
            separate(&mut out);
            out.extend_from_slice(b"\"uploaded\":");
            write_list(self.uploaded, &mut out);
        }
        if let Some(code) = self.exit {
            separate(&mut out);
            out.extend_from_slice(format!("\"complete\":true,\"exitcode\":{code}").as_bytes());
        }
        out.push(b'}');
        out
    }

    fn write_files(&self, out: &mut Vec<u8>) {
        let summary = Lines { offset: 0, content: self.summary.into_iter().collect() };
        let files = [
            ("wandb-history.jsonl", &self.history),
            ("wandb-summary.json", &summary),
            ("wandb-events.jsonl", &self.events),
            ("output.log", &self.output),
        ];
        let mut files = files.into_iter().filter(|(_, lines)| !lines.content.is_empty()).peekable();
        if files.peek().is_none() {
            return;
        }
        out.extend_from_slice(b"\"files\":{");
        for (name, lines) in files {
            separate(out);
            json::text(name, out);
            out.extend_from_slice(format!(":{{\"offset\":{},\"content\":", lines.offset).as_bytes());
            write_list(&lines.content, out);
            out.push(b'}');
        }
        out.push(b'}');
    }
}

/// A comma, unless an object has just begun.
fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
}

fn write_list(list: &[impl AsRef<str>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, text) in list.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::text(text.as_ref(), out);
    }
    out.push(b']');
}

/// The answer to a request that was taken.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Taken {
    /// Somebody wants the run to stop.
    pub(super) stopped: Option<bool>,
}

/// Reads it; `None` if it is no such answer, as of somebody else's login page.
pub(super) fn read(body: &[u8]) -> Option<Taken> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_the_official_client_sends() {
        let chunk = Chunk {
            history: Lines { offset: 7, content: vec![r#"{"loss":NaN,"_step":7}"#, "{}"] },
            summary: Some("{\"loss\":1}"),
            uploaded: &["config.yaml".to_owned()],
            exit: Some(255),
            ..Chunk::default()
        };
        let expected = serde_json::json!({
            "files": {
                "wandb-history.jsonl": { "offset": 7, "content": ["{\"loss\":NaN,\"_step\":7}", "{}"] },
                "wandb-summary.json": { "offset": 0, "content": ["{\"loss\":1}"] },
            },
            "uploaded": ["config.yaml"], "complete": true, "exitcode": 255,
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&chunk.body()).unwrap(), expected);
        assert!(Chunk::default().is_empty());
        let last = Chunk { exit: Some(0), ..Chunk::default() };
        assert_eq!(last.body(), br#"{"complete":true,"exitcode":0}"#);
    }

    #[test]
    fn only_an_object_is_an_answer() {
        assert_eq!(
            read(br#"{"exitcode":null,"limits":{},"stopped":true}"#),
            Some(Taken { stopped: Some(true) })
        );
        assert_eq!(read(b"{}"), Some(Taken::default()));
        assert_eq!(read(b"<html>log in</html>"), None);
    }
}
