/// How the command ends. A later one weighs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything was delivered, or found as it should be.
    Success,
    /// Something was not delivered in time, and may be later: `EX_TEMPFAIL` of `sysexits.h`.
    Later,
    /// Something was refused or given up, or does not work.
    Refused,
    /// The command or the configuration is wrong.
    Usage,
}

impl Exit {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Later => 75,
            Self::Refused => 1,
            Self::Usage => 2,
        }
    }

    /// The word for it in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "delivered",
            Self::Later => "waiting",
            Self::Refused => "refused",
            Self::Usage => "usage",
        }
    }
}
