//! APIs that are spoken to with JSON and a key.

use std::sync::Arc;

use nethical::Error;
use nethical::destinations::api::{ApiClient, ApiConfig, ApiResponse};
use nethical::event::{JsonWriter, verbatim};
use nethical::fork::PerProcess;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::shapes::Dict;
use crate::values::{self, Walk};
use crate::{errors, kinds, report, wait};

/// A client of one API: what `GenericAPIIntegration` is made of.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Api {
    config: ApiConfig,
    /// A child's connections are its own.
    client: PerProcess<Result<Arc<ApiClient>, Error>>,
}

#[pymethods]
impl Api {
    /// A client with the options that the destination `api` would have.
    #[new]
    fn new(py: Python<'_>, options: Dict<'_>) -> PyResult<Self> {
        let config = kinds::table(&options)?.read().map_err(|error| kinds::wrong(py, &error))?;
        let api = Self { config, client: PerProcess::new() };
        api.client(py)?;
        Ok(api)
    }

    /// Whether the key is taken.
    fn authenticate(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |client| client.authenticate())
    }

    /// Send data as JSON; the answer's status, headers and body.
    fn send<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Answer<'py>> {
        let (rules, mut walk, mut out) = (verbatim(), Walk::narrow(), Vec::new());
        values::write(&mut JsonWriter::new(&mut out, &rules), data, &mut walk);
        walk.finish()?;
        let data = serde_json::from_slice(&out).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let response = self.ask(py, move |client| client.send(&data))?;
        Ok(answer(py, &response))
    }

    /// Ask for data, as a dict.
    fn receive<'py>(
        &self,
        py: Python<'py>,
        parameters: Vec<(String, String)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = self.ask(py, move |client| client.receive_data(&parameters))?;
        report::dict_of(py, &serde_json::to_vec(&found).unwrap_or_default())
    }

    /// The last answer of this process, if there was one.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Answer<'py>>> {
        let last = self.client(py)?.last_response();
        Ok(last.and_then(Result::ok).map(|response| answer(py, &response)))
    }
}

type Answer<'py> = (u16, Vec<(String, String)>, Bound<'py, PyBytes>);

fn answer<'py>(py: Python<'py>, response: &ApiResponse) -> Answer<'py> {
    (response.status, response.headers.clone(), PyBytes::new(py, &response.body))
}

impl Api {
    fn client(&self, py: Python<'_>) -> PyResult<Arc<ApiClient>> {
        let made = self.client.get(|| ApiClient::new(self.config.clone()).map(Arc::new));
        made.clone().map_err(|error| errors::exception(py, &error))
    }

    fn ask<T: Send + 'static>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&ApiClient) -> Result<T, Error> + Send + 'static,
    ) -> PyResult<T> {
        let client = self.client(py)?;
        wait::interruptibly(py, move || call(&client))?.map_err(|error| errors::exception(py, &error))
    }
}
