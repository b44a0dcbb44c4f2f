//! Any Python value as JSON. Nothing in here fails: see the table in the package's README.

use std::borrow::Cow;

use nethical::event::{Field, JsonWriter, Limits, Redaction, Rules};
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::convert;

/// Classes that are asked for by `isinstance`.
pub(crate) struct Classes {
    pub(crate) enumeration: Py<PyType>,
    pub(crate) datetime: Py<PyType>,
    pub(crate) date: Py<PyType>,
    pub(crate) time: Py<PyType>,
    pub(crate) utc_epoch: Py<PyAny>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

/// Import what [`classes`] gives. Done with the module's import, so that a fork never sees it half done.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    classes(py).map(|_| ())
}

/// The classes.
pub(crate) fn classes(py: Python<'_>) -> PyResult<&Classes> {
    CLASSES.get_or_try_init(py, || {
        let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
            Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        let datetime = class("datetime", "datetime")?;
        let utc = py.import("datetime")?.getattr("timezone")?.getattr("utc")?;
        let utc_epoch = datetime.bind(py).call1((1970, 1, 1, 0, 0, 0, 0, utc))?.unbind();
        Ok(Classes {
            enumeration: class("enum", "Enum")?,
            datetime,
            date: class("datetime", "date")?,
            time: class("datetime", "time")?,
            utc_epoch,
        })
    })
}

/// Times that a value may be exchanged for another one (an enum for its value, ...) before its text is taken.
const MAX_HOPS: u8 = 8;

/// What goes along while one entry is written.
#[derive(Default)]
pub(crate) struct Walk {
    hops: u8,
    /// Whoever reads this knows no whole numbers beyond 64 bits: their digits stand there as text.
    narrow: bool,
    /// What must not be swallowed, such as `KeyboardInterrupt`: the call raises it.
    stopped: Option<PyErr>,
}

impl Walk {
    /// One for a reader that knows no whole numbers beyond 64 bits.
    pub(crate) fn narrow() -> Self {
        Self { narrow: true, ..Self::default() }
    }

    /// Whether a whole number of this size stands there as a number.
    pub(crate) fn has_room_for(&self, number: i128) -> bool {
        !self.narrow || u64::try_from(number).is_ok()
    }

    /// What was raised meanwhile and is none of the values' fault.
    pub(crate) fn finish(self) -> PyResult<()> {
        self.stopped.map_or(Ok(()), Err)
    }

    /// Note a failure of a value's own code, which the line shows in the value's place.
    pub(crate) fn swallow(&mut self, py: Python<'_>, error: PyErr) {
        if !error.is_instance_of::<PyException>(py) {
            self.stopped.get_or_insert(error);
        }
    }

    /// Write `instead` in the place of a value that became it.
    pub(crate) fn hop(&mut self, json: &mut JsonWriter<'_>, instead: &Bound<'_, PyAny>) {
        if self.hops >= MAX_HOPS {
            convert::text_of(json, instead, self);
            return;
        }
        self.hops += 1;
        write(json, instead, self);
        self.hops -= 1;
    }
}

/// What stands for a number that no float holds: the infinity on its side of zero.
pub(crate) fn beyond_floats(number: &Bound<'_, PyAny>) -> f64 {
    if number.lt(0).unwrap_or(false) { f64::NEG_INFINITY } else { f64::INFINITY }
}

/// Write a value.
pub(crate) fn write(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) {
    if let Ok(text) = value.cast_exact::<PyString>() {
        string(json, text);
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        convert::integer(json, number, walk);
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        json.float(number.value());
    } else if value.is_none() {
        json.null();
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        json.bool(flag.is_true());
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        shared_object(json, dict, walk);
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        array(json, list.len(), list.iter(), walk);
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        array(json, tuple.len(), tuple.iter(), walk);
    } else {
        convert::other(json, value, walk);
    }
}

/// Write a dict that others may change meanwhile, since a value's own code may let them run.
pub(crate) fn shared_object(json: &mut JsonWriter<'_>, dict: &Bound<'_, PyDict>, walk: &mut Walk) {
    match dict.copy() {
        Ok(copy) => own_object(json, &copy, walk),
        Err(_) => convert::unprintable(json, dict),
    }
}

/// Write a dict that nobody else knows.
pub(crate) fn own_object(json: &mut JsonWriter<'_>, dict: &Bound<'_, PyDict>, walk: &mut Walk) {
    if !json.begin_object() {
        return;
    }
    for (key, value) in dict.iter() {
        field(json, &key, &value, walk);
    }
    json.end_object();
}

/// Write one field of an object, whose key is a plain string.
pub(crate) fn named_field(
    json: &mut JsonWriter<'_>,
    key: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
    walk: &mut Walk,
) {
    if json.key(&text(key)) == Field::Write {
        write(json, value, walk);
    }
}

/// Write one field of an object.
pub(crate) fn field(
    json: &mut JsonWriter<'_>,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    walk: &mut Walk,
) {
    if let Ok(key) = key.cast_exact::<PyString>() {
        named_field(json, key, value, walk);
    } else if json.key(&convert::key(key, walk)) == Field::Write {
        write(json, value, walk);
    }
}

/// Write an array of `length` items.
pub(crate) fn array<'py>(
    json: &mut JsonWriter<'_>,
    length: usize,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    walk: &mut Walk,
) {
    if !json.begin_array() {
        return;
    }
    for (index, item) in items.enumerate() {
        if json.element() == Field::Skip {
            json.omit(length.saturating_sub(index + 1));
            break;
        }
        write(json, &item, walk);
    }
    json.end_array();
}

/// Write a string.
pub(crate) fn string(json: &mut JsonWriter<'_>, value: &Bound<'_, PyString>) {
    let text = text(value);
    if matches!(text, Cow::Owned(_)) {
        json.repaired();
    }
    json.string(&text);
}

/// The text of a string; owned if lone surrogates in it had to be replaced.
pub(crate) fn text<'a>(value: &'a Bound<'_, PyString>) -> Cow<'a, str> {
    value.to_str().map_or_else(|_| Cow::Owned(convert::without_surrogates(value)), Cow::Borrowed)
}

/// Any values by their names, as JSON knows them. No value is hidden, and only one beyond a mebibyte is cut.
pub(crate) fn map(dict: &Bound<'_, PyDict>) -> PyResult<serde_json::Map<String, serde_json::Value>> {
    let limits = Limits { max_value_bytes: 1 << 20, max_entry_bytes: 16 << 20, ..Limits::default() };
    let rules = Rules { redaction: Redaction::off(), limits };
    let (mut json, mut walk) = (Vec::new(), Walk::narrow());
    shared_object(&mut JsonWriter::new(&mut json, &rules), dict, &mut walk);
    walk.finish()?;
    serde_json::from_slice(&json).map_err(|error| PyValueError::new_err(error.to_string()))
}
