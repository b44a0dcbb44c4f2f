//! How long the parts of a message may be ("Embed limits", "Execute Webhook"): in characters, for which UTF-16 units
//! stand here, since they are never fewer.

/// The plain text of a message.
pub(super) const CONTENT: usize = 2_000;
/// Embeds in a message.
pub(super) const EMBEDS: usize = 10;
/// Characters of all embeds of a message together.
pub(super) const TOGETHER: usize = 6_000;
/// The title of an embed.
pub(super) const TITLE: usize = 256;
/// The text of an embed.
pub(super) const DESCRIPTION: usize = 4_096;
/// Fields of an embed.
pub(super) const FIELDS: usize = 25;
/// The name of a field.
pub(super) const NAME: usize = 256;
/// The value of a field.
pub(super) const VALUE: usize = 1_024;
/// The line at the foot of an embed.
pub(super) const FOOTER: usize = 2_048;
/// The name at the head of an embed.
pub(super) const AUTHOR: usize = 256;
