use crate::support::webhook::options;

options! {
    /// Options of `slack`.
    pub struct SlackConfig {
        /// The address of the incoming webhook. It is a secret: shown, only its host is seen.
        #[schemars(extend("writeOnly" = true))]
        address: webhook_url,
        /// The name under which messages appear, where the webhook allows that: those of apps do not.
        username: Option<String>,
        /// The emoji beside it, such as `:robot_face:`, where the webhook allows that.
        icon_emoji: Option<String>,
    }
}
