//! Values that JSON does not know, as what comes nearest.

use std::borrow::Cow;

use nethical::event::{Field, JsonWriter, Timestamp};
use pyo3::exceptions::{PyBaseException, PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PyMemoryView, PySequence,
    PySet, PyString, PyTuple, PyType,
};

use crate::values::{self, Walk, classes};

/// Write a value that is none of JSON's own types.
#[cold]
pub(crate) fn other(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) {
    if special(json, value, walk) || subclass(json, value, walk) || container(json, value, walk) {
        return;
    }
    match stand_in(value) {
        Ok(Some(instead)) => walk.hop(json, &instead),
        Ok(None) => text_of(json, value, walk),
        Err(error) => {
            walk.swallow(value.py(), error);
            text_of(json, value, walk);
        }
    }
}

/// Times, enums, exceptions and bytes.
fn special(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) -> bool {
    let py = value.py();
    let Ok(classes) = classes(py) else { return false };
    let is = |class: &Py<PyType>| value.is_instance(class.bind(py)).unwrap_or(false);
    if is(&classes.enumeration) {
        match value.getattr("value") {
            Ok(inner) => walk.hop(json, &inner),
            Err(_) => text_of(json, value, walk),
        }
    } else if is(&classes.datetime) {
        match timestamp(value) {
            Ok(at) => json.string(&format!("{at:.6}")),
            Err(_) => call_text(json, value, "isoformat", walk),
        }
    } else if is(&classes.date) || is(&classes.time) {
        call_text(json, value, "isoformat", walk);
    } else if value.is_instance_of::<PyBaseException>() {
        exception(json, value, walk);
    } else {
        return bytes(json, value);
    }
    true
}

fn bytes(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>) -> bool {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        json.string_lossy(bytes.as_bytes());
        true
    } else if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        // `bytes()` copies what others may change.
        let copy = value.py().get_type::<PyBytes>().call1((value,)).ok();
        match copy.as_ref().and_then(|copy| copy.cast::<PyBytes>().ok()) {
            Some(copy) => json.string_lossy(copy.as_bytes()),
            None => unprintable(json, value),
        }
        true
    } else {
        false
    }
}

/// Classes of one's own that are a `str`, a number, a `dict`, ... as well.
fn subclass(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) -> bool {
    if let Ok(text) = value.cast::<PyString>() {
        values::string(json, text);
    } else if let Ok(number) = value.cast::<PyInt>() {
        integer(json, number, walk);
    } else if let Ok(number) = value.cast::<PyFloat>() {
        json.float(number.value());
    } else if let Ok(dict) = value.cast::<PyDict>() {
        values::shared_object(json, dict, walk);
    } else if let Ok(list) = value.cast::<PyList>() {
        values::array(json, list.len(), list.iter(), walk);
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        values::array(json, tuple.len(), tuple.iter(), walk);
    } else {
        return false;
    }
    true
}

/// Sets, and whatever calls itself a mapping or a sequence.
fn container(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) -> bool {
    if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        // A copy: others may change the set meanwhile.
        match value.py().get_type::<PyList>().call1((value,)) {
            Ok(list) => values::write(json, &list, walk),
            Err(_) => unprintable(json, value),
        }
    } else if let Ok(mapping) = value.cast::<PyMapping>() {
        if let Err(error) = entries(json, mapping, walk) {
            walk.swallow(value.py(), error);
            text_of(json, value, walk);
        }
    } else if let Ok(sequence) = value.cast::<PySequence>() {
        items(json, sequence, walk);
    } else {
        return false;
    }
    true
}

/// Write a mapping, which may make its entries as it is asked for them: no more of them than there is room for.
/// Fails if it gives not even the first; if it fails later, it ends.
fn entries(json: &mut JsonWriter<'_>, mapping: &Bound<'_, PyMapping>, walk: &mut Walk) -> PyResult<()> {
    let mut entries = mapping.try_iter()?.map(|key| {
        let key = key?;
        mapping.get_item(&key).map(|value| (key, value))
    });
    let mut next = entries.next().transpose()?;
    if !json.begin_object() {
        return Ok(());
    }
    let mut looked_at = 0;
    while let Some((key, value)) = next {
        looked_at += 1;
        let (name, before) = (name_of(&key, walk), json.repairs());
        if json.key(&name) == Field::Write {
            values::write(json, &value, walk);
        } else if json.repairs() > before {
            // Full, unlike one that is hidden.
            json.omit(mapping.len().unwrap_or(0).saturating_sub(looked_at));
            break;
        }
        next = entries.next().and_then(|entry| entry.map_err(|error| walk.swallow(mapping.py(), error)).ok());
    }
    json.end_object();
    Ok(())
}

fn items(json: &mut JsonWriter<'_>, sequence: &Bound<'_, PySequence>, walk: &mut Walk) {
    // One that is too long to be counted has a length at which many of them still add up.
    let length = sequence.len().unwrap_or(1 << 53);
    // One that fails, ends.
    let items = (0..length).map_while(|index| sequence.get_item(index).ok());
    values::array(json, length, items, walk);
}

/// What another object is logged as: a dataclass or a model as a dict, a scalar of numpy's kind as a number.
fn stand_in<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let class = value.get_type();
    if value.is_instance_of::<PyType>() {
        return Ok(None);
    }
    if let Ok(fields) = class.getattr("__dataclass_fields__") {
        let dict = PyDict::new(value.py());
        for name in fields.try_iter()? {
            let name = name?;
            if let Some(field) = value.getattr_opt(name.cast::<PyString>()?)? {
                dict.set_item(name, field)?;
            }
        }
        return Ok(Some(dict.into_any()));
    }
    if class.hasattr("model_dump")? && class.hasattr("model_fields")? {
        return value.call_method0("model_dump").map(Some);
    }
    if class.hasattr("item")? && class.hasattr("dtype")? {
        // One of many elements has no single item: its text, which numpy keeps short.
        return Ok(value.call_method0("item").ok());
    }
    Ok(None)
}

/// Write a whole number: its digits as long as they fit 128 bits, else a string.
pub(crate) fn integer(json: &mut JsonWriter<'_>, number: &Bound<'_, PyInt>, walk: &mut Walk) {
    if let Ok(value) = number.extract::<i64>() {
        json.integer(value);
    } else if let Some(value) = number.extract::<i128>().ok().filter(|value| walk.has_room_for(*value)) {
        json.integer(value);
    } else {
        json.repaired();
        // Past the interpreter's limit on digits only other bases are left.
        match int_text(number) {
            Ok(text) => values::string(json, &text),
            Err(error) => {
                walk.swallow(number.py(), error);
                unprintable(json, number);
            }
        }
    }
}

fn int_text<'py>(number: &Bound<'py, PyInt>) -> PyResult<Bound<'py, PyString>> {
    let int = number.py().get_type::<PyInt>();
    let base_10 = int.call_method1("__format__", (number, "d"));
    let text = base_10.or_else(|_| int.call_method1("__format__", (number, "#x")))?;
    Ok(text.cast_into()?)
}

/// When a `datetime` is. One without a zone is local time.
pub(crate) fn timestamp(value: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    let py = value.py();
    let micros = if value.getattr(pyo3::intern!(py, "tzinfo"))?.is_none() {
        match value.call_method0(pyo3::intern!(py, "timestamp")) {
            // Exact: until the year 2200 a float of seconds tells microseconds apart.
            Ok(seconds) => (seconds.extract::<f64>()? * 1e6).round() as i64,
            // At the ends of the calendar there is no local time: it counts as UTC.
            Err(_) => since_epoch(&in_utc(value)?)?,
        }
    } else {
        since_epoch(value)?
    };
    Timestamp::from_microsecond(micros).map_err(|error| PyOverflowError::new_err(error.to_string()))
}

/// The same date and time of day, with UTC as its zone.
fn in_utc<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let zone = PyDict::new(py);
    zone.set_item("tzinfo", classes(py)?.utc_epoch.getattr(py, "tzinfo")?)?;
    value.call_method("replace", (), Some(&zone))
}

/// Microseconds since 1970 of a `datetime` that has a zone.
fn since_epoch(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = value.py();
    let since = value.call_method1(pyo3::intern!(py, "__sub__"), (&classes(py)?.utc_epoch,))?;
    let part = |name: &Bound<'_, PyString>| since.getattr(name)?.extract::<i64>();
    let days = part(pyo3::intern!(py, "days"))?;
    let seconds = part(pyo3::intern!(py, "seconds"))?;
    Ok((days * 86_400 + seconds) * 1_000_000 + part(pyo3::intern!(py, "microseconds"))?)
}

fn exception(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) {
    let name = type_name(value);
    match value.str() {
        Ok(text) => {
            let text = values::text(&text);
            json.string(&if text.is_empty() { name } else { format!("{name}: {text}") });
        }
        Err(error) => {
            walk.swallow(value.py(), error);
            json.string(&name);
        }
    }
}

fn call_text(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, method: &str, walk: &mut Walk) {
    let text = value.call_method0(method).and_then(|text| Ok(text.cast_into::<PyString>()?));
    match text {
        Ok(text) => values::string(json, &text),
        Err(_) => text_of(json, value, walk),
    }
}

/// Write `str(value)`, or what is left if that fails.
pub(crate) fn text_of(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) {
    match printed(value, walk) {
        Some(text) => values::string(json, &text),
        None => unprintable(json, value),
    }
}

/// `str(value)`, or `repr(value)` if that fails.
pub(crate) fn printed<'py>(value: &Bound<'py, PyAny>, walk: &mut Walk) -> Option<Bound<'py, PyString>> {
    for print in [PyAnyMethods::str, PyAnyMethods::repr] {
        match print(value) {
            Ok(text) => return Some(text),
            Err(error) => walk.swallow(value.py(), error),
        }
    }
    None
}

fn name_of<'a>(given: &'a Bound<'_, PyAny>, walk: &mut Walk) -> Cow<'a, str> {
    given.cast_exact::<PyString>().map_or_else(|_| Cow::Owned(key(given, walk)), |given| values::text(given))
}

/// A key that is no plain string.
#[cold]
pub(crate) fn key(key: &Bound<'_, PyAny>, walk: &mut Walk) -> String {
    match printed(key, walk) {
        Some(text) => values::text(&text).into_owned(),
        None => mark(key),
    }
}

/// Write `<unprintable TypeName>`.
pub(crate) fn unprintable(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>) {
    json.repaired();
    json.string(&mark(value));
}

/// `<unprintable TypeName>`.
pub(crate) fn mark(value: &Bound<'_, PyAny>) -> String {
    format!("<unprintable {}>", type_name(value))
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The string with U+FFFD for each lone surrogate. Pairs become the character that they mean.
#[cold]
pub(crate) fn without_surrogates(value: &Bound<'_, PyString>) -> String {
    let utf_16 = value.call_method1("encode", ("utf-16-le", "surrogatepass"));
    let units = utf_16.and_then(|bytes| Ok(bytes.cast_into::<PyBytes>()?));
    units.map_or_else(
        |_| value.to_string_lossy().into_owned(),
        |bytes| {
            let units = bytes.as_bytes().chunks_exact(2).map(|pair| match *pair {
                [low, high] => u16::from_le_bytes([low, high]),
                _ => 0,
            });
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        },
    )
}

/// The failure of an argument of a wrong type.
pub(crate) fn wrong_type(what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{what}, not {}", type_name(value)))
}
