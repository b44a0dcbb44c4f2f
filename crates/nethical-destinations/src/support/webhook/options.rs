//! The options that every destination has which is spoken to by HTTP.

use super::{Seconds, Wait};

/// Makes the options of a destination: its address, its own, and those that all have.
macro_rules! options {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $(#[$address_about:meta])*
            address: $address:ident,
            $($(#[$own_about:meta])* $own:ident: $type:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(#[$address_about])*
            pub $address: $crate::support::webhook::WebhookUrl,
            $($(#[$own_about])* #[serde(default)] pub $own: $type,)*
            /// Seconds that an attempt may take.
            #[serde(default = "crate::support::webhook::defaults::timeout")]
            pub timeout: $crate::support::webhook::Seconds,
            /// Attempts in all for a delivery that is waited for; 0 is one, too. What is queued is tried until the
            /// receiver is well.
            #[serde(default = "crate::support::webhook::defaults::max_retries")]
            pub max_retries: u32,
            /// Seconds before the second attempt. 0: at once.
            #[serde(default = "crate::support::webhook::defaults::retry_delay")]
            pub retry_delay: $crate::support::webhook::Wait,
            /// By what each wait is longer than the one before it.
            #[serde(default = "crate::support::webhook::defaults::backoff_factor")]
            #[schemars(range(min = 1))]
            pub backoff_factor: f64,
            /// Seconds after which a delivery that is waited for is given up, whatever the receiver asks for.
            #[serde(default = "crate::support::webhook::defaults::total_timeout")]
            pub total_timeout: $crate::support::webhook::Seconds,
            /// How this client calls itself.
            #[serde(default)]
            pub user_agent: Option<String>,
            /// `true`: everything is done but the request itself.
            #[serde(default)]
            pub dry_run: bool,
            /// `true`: nothing is sent to private, local or otherwise special networks. For addresses that come
            /// from data.
            #[serde(default)]
            pub ssrf_guard: bool,
            /// Networks that the guard lets through, such as `10.1.0.0/16`.
            #[serde(default)]
            #[schemars(with = "Vec<String>")]
            pub ssrf_allow: Vec<::ipnet::IpNet>,
        }

        impl $name {
            /// The usual options for this address.
            pub fn new($address: $crate::support::webhook::WebhookUrl) -> Self {
                use $crate::support::webhook::defaults;
                Self {
                    $address,
                    $($own: Default::default(),)*
                    timeout: defaults::timeout(),
                    max_retries: defaults::max_retries(),
                    retry_delay: defaults::retry_delay(),
                    backoff_factor: defaults::backoff_factor(),
                    total_timeout: defaults::total_timeout(),
                    user_agent: None,
                    dry_run: false,
                    ssrf_guard: false,
                    ssrf_allow: Vec::new(),
                }
            }

            pub(super) fn common(&self) -> $crate::support::webhook::Common<'_> {
                $crate::support::webhook::Common {
                    address: stringify!($address),
                    url: &self.$address,
                    timeout: self.timeout,
                    max_retries: self.max_retries,
                    retry_delay: self.retry_delay,
                    backoff_factor: self.backoff_factor,
                    total_timeout: self.total_timeout,
                    user_agent: self.user_agent.as_deref(),
                    dry_run: self.dry_run,
                    ssrf_guard: self.ssrf_guard,
                    ssrf_allow: &self.ssrf_allow,
                }
            }
        }
    };
}
pub(crate) use options;

/// What the options are that nobody sets.
pub(crate) mod defaults {
    use super::{Seconds, Wait};

    pub(crate) const fn timeout() -> Seconds {
        Seconds::of(30)
    }

    pub(crate) const fn max_retries() -> u32 {
        3
    }

    pub(crate) const fn retry_delay() -> Wait {
        Wait::of(1)
    }

    pub(crate) const fn backoff_factor() -> f64 {
        2.0
    }

    pub(crate) const fn total_timeout() -> Seconds {
        Seconds::of(60)
    }
}
