//! `Aggregator.log` as CPython's fast call.
//!
//! A method with `**metadata` costs a tuple and a dict at each call, a fifth of all that `log` does.
//! The interpreter's own calling convention hands over the arguments where they lie.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};
use pyo3::{Borrowed, ffi};

use crate::aggregator::Aggregator;

const DOC: &CStr = c"log($self, level, message, source, **metadata)
--

Log an entry of now with this metadata. True if every connector took it.

Never waits for a destination and never fails because of a value; a level that there is not is a
ValueError or a TypeError. `level`, `message` and `source` go by position or by name; a name whose
value is given by position is free for metadata.";

/// Put `log` on the class.
#[expect(unsafe_code, reason = "PyO3 has no fast call with free keywords")]
pub(crate) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"log".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: log },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: DOC.as_ptr(),
    }));
    // SAFETY: the class lives, and the definition does for ever. The result is a new reference or null.
    let method = unsafe {
        Bound::from_owned_ptr_or_err(
            class.py(),
            ffi::PyDescr_NewMethod(class.as_ptr().cast::<ffi::PyTypeObject>(), definition),
        )
    }?;
    class.setattr("log", method)
}

/// What the interpreter calls. It has checked that `this` is an `Aggregator`.
#[expect(unsafe_code, reason = "the interpreter's calling convention is one of raw pointers")]
unsafe extern "C" fn log(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    Python::attach(|py| {
        let logged = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: `this` is a live object, and `names` is null or a live tuple, while this call lasts.
            let this = unsafe { Borrowed::from_ptr(py, this) };
            let names = unsafe { Borrowed::from_ptr_or_opt(py, names) };
            let names = names.map(|names| names.to_owned().cast_into::<PyTuple>()).transpose()?;
            let positional = usize::try_from(positional).unwrap_or(0);
            let length = positional + names.as_ref().map_or(0, |names| names.len());
            // SAFETY: the convention gives the values by position, then one for each name.
            let values: &[*mut ffi::PyObject] =
                if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(values, length) } };
            let call = Arguments { py, values, positional, names };
            this.cast::<Aggregator>()?.get().log(&call)
        }));
        let error = match logged {
            Ok(Ok(taken)) => return pyo3::types::PyBool::new(py, taken).to_owned().into_ptr(),
            Ok(Err(error)) => error,
            Err(_) => PyRuntimeError::new_err("a fault of nethical's, please report it"),
        };
        error.restore(py);
        std::ptr::null_mut()
    })
}

/// The arguments of one call.
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    /// Those by position, then those by name.
    values: &'a [*mut ffi::PyObject],
    positional: usize,
    names: Option<Bound<'py, PyTuple>>,
}

/// What every entry needs, and for each whether it came by name.
pub(crate) struct Required<'a, 'py> {
    pub(crate) level: Borrowed<'a, 'py, PyAny>,
    pub(crate) message: Borrowed<'a, 'py, PyAny>,
    pub(crate) source: Borrowed<'a, 'py, PyAny>,
}

/// The parameters of `log`.
const PARAMETERS: [&str; 3] = ["level", "message", "source"];

impl<'a, 'py> Arguments<'a, 'py> {
    /// The interpreter.
    pub(crate) const fn py(&self) -> Python<'py> {
        self.py
    }

    #[expect(unsafe_code, reason = "the interpreter hands over raw pointers")]
    fn value(&self, index: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        let value = *self.values.get(index)?;
        // SAFETY: the interpreter keeps the arguments alive while the call lasts.
        unsafe { Borrowed::from_ptr_or_opt(self.py, value) }
    }

    /// Level, message and source.
    pub(crate) fn required(&self) -> PyResult<Required<'a, 'py>> {
        if self.positional > PARAMETERS.len() {
            return Err(PyTypeError::new_err(format!(
                "log() takes level, message and source, and metadata by name; {} were given by position",
                self.positional
            )));
        }
        Ok(Required { level: self.parameter(0)?, message: self.parameter(1)?, source: self.parameter(2)? })
    }

    fn parameter(&self, index: usize) -> PyResult<Borrowed<'a, 'py, PyAny>> {
        let found = if index < self.positional { self.value(index) } else { self.named(index) };
        found.ok_or_else(|| {
            let name = PARAMETERS.get(index).copied().unwrap_or_default();
            PyTypeError::new_err(format!("log() needs level, message and source; {name} is missing"))
        })
    }

    fn named(&self, index: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        let wanted = PARAMETERS.get(index)?;
        let place = self.names().position(|name| name.to_str().is_ok_and(|name| name == *wanted))?;
        self.value(self.positional + place)
    }

    fn names(&self) -> impl Iterator<Item = Bound<'py, PyString>> {
        self.names.iter().flatten().filter_map(|name| name.cast_into::<PyString>().ok())
    }

    /// The names and values that are none of the three.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (Bound<'py, PyString>, Borrowed<'a, 'py, PyAny>)> {
        let by_name = PARAMETERS.get(self.positional..).unwrap_or_default();
        self.names().enumerate().filter_map(move |(place, name)| {
            let taken = !by_name.is_empty() && name.to_str().is_ok_and(|name| by_name.contains(&name));
            let value = self.value(self.positional + place)?;
            (!taken).then_some((name, value))
        })
    }
}
