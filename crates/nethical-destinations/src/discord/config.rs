use crate::support::webhook::options;

options! {
    /// Options of `discord`.
    pub struct DiscordConfig {
        /// The address of the webhook. It is a secret: shown, only its host is seen. `?thread_id=...` posts to a thread.
        #[schemars(extend("writeOnly" = true))]
        address: webhook_url,
        /// The name under which messages appear, instead of the webhook's: 1 to 80 characters.
        username: Option<String>,
        /// The address of the picture beside it.
        avatar_url: Option<String>,
    }
}

impl DiscordConfig {
    /// The first option that cannot work, and why. Touches nothing.
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let is_name = |name: &str| super::wire::is_username(name);
        if self.username.as_deref().is_some_and(|name| !is_name(name)) {
            return Some(("username", "use 1 to 80 characters, without `discord` or `clyde` in them"));
        }
        self.common().fault()
    }
}
