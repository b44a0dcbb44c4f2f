//! Any API that is spoken to with JSON and a key.

mod client;
mod config;
mod errors;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use nethical_core::delivery::{Batch, Destination, Error, Profile, Receipt, runtime};
use nethical_core::event::Family;

pub use self::client::{ApiClient, ApiResponse};
pub use self::config::ApiConfig;
use crate::http::{Http, Shape};
use crate::{Descriptor, Validated};

/// Any API that is spoken to with JSON and a key.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "api",
    families: &[Family::Alerts],
    summary: "Post JSON to an API with a key",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(ApiConfig),
    parse: |options| {
        let config = options.read::<ApiConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config)),
            Some((key, why)) => Err(options.error_at(key, why)),
        }
    },
};

impl Validated for ApiConfig {
    /// Reads what TLS trusts; reaches nothing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        let client = Arc::new(ApiClient::new(self.clone())?);
        let shape = Shape { native: "api", headers: self.all_headers(), ..Shape::default() };
        let url = self
            .at(self.send_path.as_deref())
            .as_str()
            .parse()
            .map_err(|why: String| errors::option("send_path", &why))?;
        let common = crate::support::webhook::Common { url: &url, ..self.common() };
        Ok(Arc::new(Api { http: Http::new("api", &common, shape)?, client }))
    }
}

struct Api {
    http: Http,
    client: Arc<ApiClient>,
}

#[async_trait]
impl Destination for Api {
    fn profile(&self) -> Profile {
        self.http.profile()
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        self.http.deliver(batch).await
    }

    /// Asks whether the key is taken, which sends nothing.
    async fn probe(&self) -> Result<String, Error> {
        let (client, at) = (Arc::clone(&self.client), self.client.config().base_url.to_string());
        let has_key = client.config().api_key.is_some();
        match runtime::blocking(move || client.authenticate()).await?? {
            true => Ok(format!("{at} takes the key")),
            false => Err(errors::not_taken(&at, has_key)),
        }
    }
}

#[cfg(test)]
mod tests;
