//! The log macros, and the few functions that they call.

/// Logs at a level given as an expression: `log!(level, "…")`, with `target:` or `logger:` before the level.
///
/// ```
/// use shmlog::{Level, log};
/// let level = if 3 > 2 { Level::Warn } else { Level::Info };
/// log!(level, "bus {} is slow", 2);
/// log!(target: "can", level, "bus {} is slow", 2);
/// ```
#[macro_export]
macro_rules! log {
    (logger: $logger:expr, $level:expr, $($message:tt)+) => {
        $crate::__log!(::core::option::Option::Some(&$logger), $level, $($message)+)
    };
    (target: $target:expr, $level:expr, $($message:tt)+) => {
        $crate::__log!(::core::option::Option::Some(&$target), $level, $($message)+)
    };
    ($level:expr, $($message:tt)+) => {
        $crate::__log!(::core::option::Option::None::<&str>, $level, $($message)+)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($target:expr, $level:expr, $($message:tt)+) => {{
        let level: $crate::Level = $level;
        if $crate::__private::is_enabled(level) {
            $crate::__arguments!([$crate] [level] [$target] [] $($message)+);
        }
    }};
}

/// Takes the arguments apart, which may be any expressions, and leaves the rest to `shmlog-macros`.
#[doc(hidden)]
#[macro_export]
macro_rules! __arguments {
    // The format string: the first.
    ($crate_:tt $level:tt $target:tt [] $format:literal $(, $($rest:tt)*)?) => {
        $crate::__arguments!($crate_ $level $target [[$format]] $($($rest)*)?)
    };
    ($crate_:tt $level:tt $target:tt [] $format:expr $(, $($rest:tt)*)?) => {
        $crate::__arguments!($crate_ $level $target [[$format]] $($($rest)*)?)
    };
    // All the others, one by one.
    ($crate_:tt $level:tt $target:tt [$format:tt $($done:tt)*] $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__arguments!($crate_ $level $target [$format $($done)* [$name = $value]] $($($rest)*)?)
    };
    ($crate_:tt $level:tt $target:tt [$format:tt $($done:tt)*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::__arguments!($crate_ $level $target [$format $($done)* [$value]] $($($rest)*)?)
    };
    ($crate_:tt $level:tt $target:tt [$format:tt $($done:tt)*]) => {
        $crate::__private::capture!($crate_ $level $target $format [$($done)*])
    };
}

/// Makes the macro of one level; `$d` is a dollar sign.
macro_rules! level_macro {
    ($d:tt $name:ident $level:ident) => {
        #[doc = concat!("Logs at [`Level::", stringify!($level), "`](crate::Level::", stringify!($level), ").")]
        ///
        /// The message is written as for `format!`. `target: "name"` or `logger: logger` may stand before it;
        /// without, the target is the module's path. The arguments are not evaluated when the level is
        /// disabled; a cargo feature can [leave the statement out](crate#levels-that-are-not-compiled-in).
        ///
        /// ```
        #[doc = concat!("use shmlog::", stringify!($name), ";")]
        /// let (joint, torque) = (3, 0.5);
        #[doc = concat!(stringify!($name), "!(\"joint {joint}: {torque:.2} Nm\");")]
        #[doc = concat!(stringify!($name), "!(target: \"arm\", \"joint {} stopped\", joint);")]
        /// let imu = shmlog::get_logger("imu");
        #[doc = concat!(stringify!($name), "!(logger: imu, \"ready\");")]
        /// ```
        #[macro_export]
        macro_rules! $name {
            (logger: $d logger:expr, $d ($d message:tt)+) => {
                if const { $d crate::__private::is_compiled($d crate::Level::$level) } {
                    $d crate::log!(logger: $d logger, $d crate::Level::$level, $d ($d message)+)
                }
            };
            (target: $d target:expr, $d ($d message:tt)+) => {
                if const { $d crate::__private::is_compiled($d crate::Level::$level) } {
                    $d crate::log!(target: $d target, $d crate::Level::$level, $d ($d message)+)
                }
            };
            ($d ($d message:tt)+) => {
                if const { $d crate::__private::is_compiled($d crate::Level::$level) } {
                    $d crate::log!($d crate::Level::$level, $d ($d message)+)
                }
            };
        }
    };
}

level_macro!($ trace Trace);
level_macro!($ debug Debug);
level_macro!($ info Info);
level_macro!($ warn Warn);
level_macro!($ error Error);
level_macro!($ critical Critical);

/// For the macros alone; anything in here may change at any time.
#[doc(hidden)]
pub mod private {
    pub use shmlog_macros::capture;

    pub use crate::compiled::is_compiled;
    pub use crate::record::CallSite;
    use crate::record::capture::Arguments;
    pub use crate::record::capture::{ByText, ByValue, Held, Rendered};
    use crate::{Level, producer};

    /// Whether a record of this level would be recorded now.
    #[inline]
    pub fn is_enabled(level: Level) -> bool {
        is_compiled(level) && producer::is_enabled(level)
    }

    /// Writes one record with its arguments, which the drainer formats.
    #[inline]
    pub fn log_captured(
        level: Level,
        site: &'static CallSite,
        target: Option<&(impl AsRef<str> + ?Sized)>,
        arguments: &impl Arguments,
    ) {
        producer::write_captured(level, site, target.map(AsRef::as_ref), arguments);
    }

    /// Writes one record with its text.
    #[inline]
    pub fn log(
        level: Level,
        site: &'static CallSite,
        target: Option<&(impl AsRef<str> + ?Sized)>,
        message: std::fmt::Arguments<'_>,
    ) {
        producer::write(level, site, target.map(AsRef::as_ref), &message);
    }
}
