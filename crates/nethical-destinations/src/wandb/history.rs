//! Rows on their way into the run log.

use nethical_core::delivery::Error;
use prost::encoding::encode_varint;

use super::json;

/// The metrics of one call, already as JSON. Meant to be used again for the next call.
#[derive(Debug, Default)]
pub struct Row {
    text: String,
    /// Where in `text` each name ends and each value ends.
    ends: Vec<(usize, usize)>,
}

/// Bytes of text that a row keeps for the next one.
const MOST_KEPT: usize = 1 << 16;

impl Row {
    /// Forgets its metrics.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        // One large row does not hold as much for ever.
        self.text.shrink_to(MOST_KEPT);
    }

    /// Adds a number.
    pub fn number(&mut self, name: &str, value: f64) {
        self.json(name, json::shown(value, &mut zmij::Buffer::new()));
    }

    /// Adds an integer.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.json(name, itoa::Buffer::new().format(value));
    }

    /// Adds a value as JSON text, in which numbers that JSON does not have stand bare: `NaN`.
    pub fn json(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// The names and values.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let text = |from, to| self.text.get(from..to).unwrap_or_default();
            let item = (text(start, name_end), text(name_end, value_end));
            start = value_end;
            item
        })
    }

    /// Bytes of the line that it becomes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + 4 * self.ends.len() + 96
    }

    /// Whether it has nothing in it.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// What W&B itself wants to know of every row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) step: i64,
    /// Seconds since the run began.
    pub(crate) runtime: f64,
    /// Seconds since 1970.
    pub(crate) timestamp: f64,
}

/// The field numbers of the schema, with the type of what follows.
const RECORD_NUM: u8 = 1 << 3;
const RECORD_HISTORY: u8 = 2 << 3 | 2;
const HISTORY_ITEM: u8 = 1 << 3 | 2;
const HISTORY_STEP: u8 = 2 << 3 | 2;
const ITEM_KEY: u8 = 1 << 3 | 2;
/// Field 16 takes two bytes.
const ITEM_VALUE_JSON: [u8; 2] = [0x82, 0x01];
const STEP_NUM: u8 = 1 << 3;

/// Appends the record of a row, or of more of the row before. The bytes are those of
/// [`Record`](super::log::record::Record), written without building one: this is done for every row.
pub(crate) fn encode(row: &Row, moment: Moment, place: Place, num: i64, out: &mut Vec<u8>) {
    out.push(RECORD_NUM);
    encode_varint(num as u64, out);
    out.push(RECORD_HISTORY);
    nested(out, |out| {
        for (name, value) in row.items() {
            item(name, out, |out| out.extend_from_slice(value.as_bytes()));
        }
        item("_step", out, |out| json::integer(moment.step, out));
        item("_runtime", out, |out| json::number(moment.runtime, out));
        if !row.items().any(|(name, _)| name == "_timestamp") {
            item("_timestamp", out, |out| json::number(moment.timestamp, out));
        }
        if place == Place::New {
            out.push(HISTORY_STEP);
            nested(out, |out| {
                out.push(STEP_NUM);
                encode_varint(moment.step as u64, out);
            });
        }
    });
}

fn item(name: &str, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(HISTORY_ITEM);
    nested(out, |out| {
        out.push(ITEM_KEY);
        encode_varint(name.len() as u64, out);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&ITEM_VALUE_JSON);
        nested(out, value);
    });
}

/// Appends what `write` writes behind its length. Lengths below 128 take one byte, which is what is kept
/// free; where it is not enough the content moves.
fn nested(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    if length < 128 {
        if let Some(byte) = out.get_mut(at) {
            *byte = length as u8;
        }
        return;
    }
    let mut head = Vec::with_capacity(10);
    encode_varint(length as u64, &mut head);
    out.splice(at..=at, head);
}

/// Whether a call begins a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It does.
    New,
    /// It adds to the row that is open.
    Same,
}

/// The steps of a run. They rise; a call with the step of the row that is open adds to it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steps {
    next: i64,
    /// The step of the row that may still get more.
    open: Option<i64>,
    /// The step of a row that was closed because somebody wanted it delivered.
    closed: Option<i64>,
}

impl Steps {
    /// Where a call belongs.
    ///
    /// # Errors
    /// If the step goes back.
    pub(crate) fn place(&mut self, wanted: Option<i64>) -> Result<(i64, Place), Error> {
        let Some(step) = wanted else {
            (self.open, self.closed) = (None, None);
            self.next += 1;
            return Ok((self.next - 1, Place::New));
        };
        if self.open == Some(step) {
            return Ok((step, Place::Same));
        }
        if step < self.next && self.closed != Some(step) {
            return Err(self.goes_back(step));
        }
        (self.open, self.closed, self.next) = (Some(step), None, step.saturating_add(1));
        Ok((step, Place::New))
    }

    /// The row that is open gets no more.
    pub(crate) fn close(&mut self) {
        if let Some(step) = self.open.take() {
            self.closed = Some(step);
        }
    }

    /// Whether a row may still get more.
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn goes_back(&self, step: i64) -> Error {
        let last = self.next - 1;
        let message = match step {
            ..0 => format!("wandb: the step {step} is below 0"),
            _ => format!("wandb: the step {step} comes after {last}, and W&B takes no step back"),
        };
        Error::refused("wandb.step_back", message).with_hint(
            "leave `step` out and log the number as a metric of its own, with `define_metric` as the x-axis of the others",
        )
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::wandb::log::record::{History, Item, Kind, Record, Step};

    #[test]
    fn the_bytes_are_those_of_the_schema() {
        let mut row = Row::default();
        row.number("loss", 0.25);
        row.integer("epoch", -3);
        row.json("nested", r#"{"x":NaN}"#);
        row.json("long", &format!("\"{}\"", "y".repeat(40_000)));
        let moment = Moment { step: 300, runtime: 1.5, timestamp: 1_700_000_000.25 };
        for place in [Place::New, Place::Same] {
            let mut bytes = Vec::new();
            encode(&row, moment, place, 1_000, &mut bytes);
            let item = row.items().map(|(name, value)| Item::new(name, value));
            let own = [("_step", "300"), ("_runtime", "1.5"), ("_timestamp", "1700000000.25")];
            let item = item.chain(own.map(|(name, value)| Item::new(name, value))).collect();
            let step = (place == Place::New).then_some(Step { num: 300 });
            let record = Record { num: 1_000, kind: Some(Kind::History(History { item, step })) };
            assert_eq!(Record::decode(&*bytes).unwrap(), record);
            assert_eq!(bytes.len(), record.encoded_len(), "no byte more than it takes");
        }
    }

    #[test]
    fn a_timestamp_of_ones_own_is_kept() {
        let mut row = Row::default();
        row.number("_timestamp", 5.0);
        let mut bytes = Vec::new();
        encode(&row, Moment { step: 0, runtime: 0.0, timestamp: 1.0 }, Place::New, 1, &mut bytes);
        let Some(Kind::History(history)) = Record::decode(&*bytes).unwrap().kind else { panic!() };
        let times: Vec<_> = history.item.iter().filter(|item| item.key == "_timestamp").collect();
        assert_eq!(times.iter().map(|item| item.value_json.as_str()).collect::<Vec<_>>(), ["5.0"]);
    }

    #[test]
    fn steps_rise_and_the_open_row_takes_more() {
        let mut steps = Steps::default();
        let mut place = |wanted| steps.place(wanted).map_err(|error| error.code());
        assert_eq!(place(None), Ok((0, Place::New)));
        assert_eq!(place(Some(0)), Err("wandb.step_back"), "that row was whole");
        assert_eq!(place(Some(5)), Ok((5, Place::New)));
        assert_eq!(place(Some(5)), Ok((5, Place::Same)));
        assert_eq!(place(Some(4)), Err("wandb.step_back"));
        assert_eq!(place(None), Ok((6, Place::New)));
        assert_eq!(place(Some(5)), Err("wandb.step_back"));
        assert_eq!(place(Some(-1)), Err("wandb.step_back"));
        assert_eq!(place(Some(9)), Ok((9, Place::New)));
        steps.close();
        assert!(!steps.is_open());
        assert_eq!(
            steps.place(Some(9)).unwrap(),
            (9, Place::New),
            "what was closed early goes on in a row of its own"
        );
    }
}
