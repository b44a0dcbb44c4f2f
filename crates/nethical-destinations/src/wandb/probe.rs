//! Whether runs would arrive.

use nethical_core::delivery::{Error, Kind};
use serde_json::json;

use super::api::Api;
use super::config::Resolved;
use super::environment::{Mode, host_of};
use super::graphql::{FoundProject, Query, Viewed};

/// Asks who the key belongs to, and whether it may write where it is to.
pub(super) async fn probe(api: &Api, options: &Resolved) -> Result<String, Error> {
    let viewed: Viewed = api.query(Query::Viewer, &json!({})).await?;
    let host = host_of(api.base_url());
    let Some(viewer) = viewed.viewer else {
        return Err(Error::new(
            Kind::Unauthorized,
            "wandb.key",
            format!("wandb: {host} does not know this key"),
        )
        .with_hint("see https://wandb.ai/authorize for a key that works"));
    };
    let entities = viewer.entities();
    let entity = options.entity.as_deref().or(viewer.entity.as_deref());
    if let Some(wanted) =
        options.entity.as_deref().filter(|wanted| !entities.is_empty() && !entities.contains(wanted))
    {
        let text = format!("wandb: this key does not belong to `{wanted}`");
        let hint = format!("it belongs to {}", entities.join(", "));
        return Err(Error::new(Kind::Unauthorized, "wandb.entity", text).with_hint(hint));
    }
    let name = options.project.as_deref().unwrap_or("uncategorized");
    let variables = json!({ "entity": entity, "project": name });
    let found: Result<FoundProject, Error> = api.query(Query::Project, &variables).await;
    let project = match found {
        Ok(FoundProject { project: Some(_) }) => format!("project {name}"),
        Ok(FoundProject { project: None }) => format!("project {name}, which the first run makes,"),
        Err(error) if error.kind() == Kind::Refused => format!("project {name}"),
        Err(error) => return Err(error),
    };
    let who = viewer.username.as_deref().or(entity).unwrap_or("somebody");
    Ok(format!("{project} of {} at {host}, as {who}", entity.unwrap_or("the key's own entity")))
}

/// What is known without a server.
pub(super) fn offline(options: &Resolved) -> Result<String, Error> {
    let place = options.parent.display();
    match options.mode {
        Mode::Disabled => Ok("keeps nothing: WANDB_MODE or `mode` says disabled".to_owned()),
        Mode::Offline => Ok(format!("writes runs to {place}; `nethical sync` uploads them")),
        Mode::Online => Err(Error::new(
            Kind::Unauthorized,
            "wandb.no_key",
            format!(
                "wandb: there is no key for {}, so runs are only written to {place}",
                host_of(&options.base_url)
            ),
        )
        .with_hint("set `WANDB_API_KEY` or `api_key`, or run `wandb login`; see https://wandb.ai/authorize")),
    }
}
