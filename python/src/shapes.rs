//! What type checkers are told of arguments and results. `cargo xtask stub` writes it into `nethical/_core.pyi`.

use std::convert::Infallible;
use std::ops::Deref;

use pyo3::exceptions::PyTypeError;
#[cfg(feature = "stub")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
#[cfg(feature = "stub")]
use pyo3::{type_hint_identifier, type_hint_subscript};

/// A dict whose keys are text: `dict[str, Any]`.
pub(crate) struct Dict<'py>(Bound<'py, PyDict>);

#[cfg(feature = "stub")]
const DICT: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("builtins", "dict"),
    type_hint_identifier!("builtins", "str"),
    type_hint_identifier!("typing", "Any")
);

impl<'py> Dict<'py> {
    /// One with nothing in it.
    pub(crate) fn new(py: Python<'py>) -> Self {
        Self(PyDict::new(py))
    }
}

impl<'py> Deref for Dict<'py> {
    type Target = Bound<'py, PyDict>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'py> FromPyObject<'_, 'py> for Dict<'py> {
    type Error = PyErr;

    #[cfg(feature = "stub")]
    const INPUT_TYPE: PyStaticExpr = DICT;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.cast::<PyDict>()?.to_owned()))
    }
}

impl<'py> IntoPyObject<'py> for Dict<'py> {
    type Target = PyDict;
    type Output = Bound<'py, PyDict>;
    type Error = Infallible;

    #[cfg(feature = "stub")]
    const OUTPUT_TYPE: PyStaticExpr = DICT;

    fn into_pyobject(self, _: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(self.0)
    }
}

/// A struct that Python hands over as a dict, of the `TypedDict` of that name in `nethical/_shapes.py`.
macro_rules! shape {
    (
        $(#[$of_struct:meta])*
        $visibility:vis struct $name:ident as $shape:literal {
            $($(#[$of_field:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$of_struct])*
        $visibility struct $name {
            $($(#[$of_field])* $field: $type,)*
        }

        impl<'py> ::pyo3::FromPyObject<'_, 'py> for $name {
            type Error = ::pyo3::PyErr;

            #[cfg(feature = "stub")]
            const INPUT_TYPE: ::pyo3::inspect::PyStaticExpr =
                ::pyo3::type_hint_identifier!("nethical._shapes", $shape);

            fn extract(dict: ::pyo3::Borrowed<'_, 'py, ::pyo3::PyAny>) -> ::pyo3::PyResult<Self> {
                Ok(Self {
                    $($field: $crate::shapes::item(&dict, ::pyo3::intern!(dict.py(), stringify!($field)))?,)*
                })
            }
        }
    };
}

pub(crate) use shape;

/// What a dict has under a name. A value of a wrong type is named.
pub(crate) fn item<'py, T>(dict: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>,
{
    dict.get_item(name)?.extract::<T>().map_err(|error| {
        let error: PyErr = error.into();
        let wrong = PyTypeError::new_err(format!("{name}: {}", error.value(dict.py())));
        wrong.set_cause(dict.py(), Some(error));
        wrong
    })
}
