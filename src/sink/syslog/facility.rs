//! The facilities of syslog.

use std::fmt;

/// Declares the facilities, their numbers and their names.
macro_rules! facilities {
    ($($(#[$doc:meta])* $facility:ident = $number:literal $name:literal,)*) => {
        /// What kind of program says something, as syslog daemons sort by it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Facility {
            $($(#[$doc])* $facility = $number,)*
        }

        impl Facility {
            /// All of them.
            pub const ALL: [Facility; 20] = [$(Facility::$facility),*];

            /// The name as rsyslog and others have it: `"user"`, `"local0"`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Facility::$facility => $name,)*
                }
            }
        }
    };
}

facilities! {
    /// The kernel.
    Kern = 0 "kern",
    /// Programs of users: the usual one.
    User = 1 "user",
    /// Mail.
    Mail = 2 "mail",
    /// Daemons of the system.
    Daemon = 3 "daemon",
    /// Who may do what.
    Auth = 4 "auth",
    /// The syslog daemon itself.
    Syslog = 5 "syslog",
    /// Printing.
    Lpr = 6 "lpr",
    /// News.
    News = 7 "news",
    /// UUCP.
    Uucp = 8 "uucp",
    /// What is done at times.
    Cron = 9 "cron",
    /// Who may do what, in private.
    Authpriv = 10 "authpriv",
    /// FTP.
    Ftp = 11 "ftp",
    /// For local use.
    Local0 = 16 "local0",
    /// For local use.
    Local1 = 17 "local1",
    /// For local use.
    Local2 = 18 "local2",
    /// For local use.
    Local3 = 19 "local3",
    /// For local use.
    Local4 = 20 "local4",
    /// For local use.
    Local5 = 21 "local5",
    /// For local use.
    Local6 = 22 "local6",
    /// For local use.
    Local7 = 23 "local7",
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
