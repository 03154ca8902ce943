//! The log macros, and the few functions that they call.

mod conditions;

/// Logs at a level given as an expression: `log!(level, "…")`, with `target:` or `logger:` before the level.
///
/// ```
/// use shmlog::{Level, log};
/// let level = if 3 > 2 { Level::Warn } else { Level::Info };
/// log!(level, "bus {} is slow", 2);
/// log!(target: "can", level, "bus {} is slow", 2);
/// log!(level, bus = 2; "slow");
/// ```
///
/// A message of up to 16 MiB arrives whole. Of a longer one the rest is left out, and the text ends with `‹cut off›`. So
/// does one whose widths and precisions (`{:>1000}`) add more than 8 KiB to it.
#[macro_export]
macro_rules! log {
    (logger: $logger:expr, $level:expr, $($message:tt)+) => {
        $crate::__log!([] [$logger] [$level] $($message)+)
    };
    (target: $target:expr, $level:expr, $($message:tt)+) => {
        $crate::__log!([] [$target] [$level] $($message)+)
    };
    ($level:expr, $($message:tt)+) => {
        $crate::__log!([] [] [$level] $($message)+)
    };
}

/// Takes the key-values off. Before the message come, in brackets: a condition, the target, the level.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($condition:tt $target:tt $level:tt $($key:tt $(:$how:tt)? $(= $value:expr)?),+; $($message:tt)+) => {
        $crate::__arguments!(
            [[$crate] $condition $target $level [$([$key [$($how)?] [$($value)?]])+]] [] $($message)+
        )
    };
    ($condition:tt $target:tt $level:tt $($message:tt)+) => {
        $crate::__arguments!([[$crate] $condition $target $level []] [] $($message)+)
    };
}

/// Takes the target off, and leaves a statement out whose level is not compiled in.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_at {
    ($level:ident $condition:tt logger: $logger:expr, $($message:tt)+) => {
        if const { $crate::__private::is_compiled($crate::Level::$level) } {
            $crate::__log!($condition [$logger] [$crate::Level::$level] $($message)+)
        }
    };
    ($level:ident $condition:tt target: $target:expr, $($message:tt)+) => {
        if const { $crate::__private::is_compiled($crate::Level::$level) } {
            $crate::__log!($condition [$target] [$crate::Level::$level] $($message)+)
        }
    };
    ($level:ident $condition:tt $($message:tt)+) => {
        if const { $crate::__private::is_compiled($crate::Level::$level) } {
            $crate::__log!($condition [] [$crate::Level::$level] $($message)+)
        }
    };
}

/// Takes the arguments apart, which may be any expressions, and leaves the rest to `shmlog-macros`.
#[doc(hidden)]
#[macro_export]
macro_rules! __arguments {
    // The format string: the first.
    ($head:tt [] $format:literal $(, $($rest:tt)*)?) => {
        $crate::__arguments!($head [[$format]] $($($rest)*)?)
    };
    ($head:tt [] $format:expr $(, $($rest:tt)*)?) => {
        $crate::__arguments!($head [[$format]] $($($rest)*)?)
    };
    // All the others, one by one.
    ($head:tt [$format:tt $($done:tt)*] $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__arguments!($head [$format $($done)* [$name = $value]] $($($rest)*)?)
    };
    ($head:tt [$format:tt $($done:tt)*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::__arguments!($head [$format $($done)* [$value]] $($($rest)*)?)
    };
    ($head:tt [$format:tt $($done:tt)*]) => {
        $crate::__private::capture!($head $format [$($done)*])
    };
}

/// Makes the macros of one level; `$d` is a dollar sign.
macro_rules! level_macros {
    ($d:tt $level:ident $name:ident $once:ident $every_n:ident $throttle:ident $skip_first:ident $on_change:ident) => {
        #[doc = concat!("Logs at [`Level::", stringify!($level), "`](crate::Level::", stringify!($level), ").")]
        ///
        /// The message is written as for `format!`. `target: "name"` or `logger: logger` may stand before it;
        /// without, the target is the module's path. Key-values may stand between the two, as in the crate `log`:
        /// `key = value`, or `key` alone for the variable of that name. Numbers, `bool`, `char` and text keep their
        /// type; other values are written as `Display` does, or with `key:? = value` as `Debug` does. A statement may
        /// have 15. The arguments are not evaluated when the level is disabled; a cargo feature can [leave the statement
        /// out](crate#levels-that-are-not-compiled-in).
        ///
        /// ```
        #[doc = concat!("use shmlog::", stringify!($name), ";")]
        /// let (joint, torque) = (3, 0.5);
        #[doc = concat!(stringify!($name), "!(\"joint {joint}: {torque:.2} Nm\");")]
        #[doc = concat!(stringify!($name), "!(target: \"arm\", \"joint {} stopped\", joint);")]
        #[doc = concat!(stringify!($name), "!(joint = 3, torque, pose:? = [0.1, 0.2]; \"limit\");")]
        /// let imu = shmlog::get_logger("imu");
        #[doc = concat!(stringify!($name), "!(logger: imu, \"ready\");")]
        /// ```
        #[macro_export]
        macro_rules! $name {
            ($d ($d message:tt)+) => { $d crate::__log_at!($level [] $d ($d message)+) };
        }

        #[doc = concat!("[`", stringify!($name), "!`](crate::", stringify!($name), "), at the first call only.")]
        ///
        /// The next call, in whichever thread, of this process: children count for themselves, those of a fork
        /// from where their parent was.
        ///
        /// ```
        /// for bus in 0..3 {
        #[doc = concat!("    shmlog::", stringify!($once), "!(\"bus {bus} has no terminator\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $once {
            ($d ($d message:tt)+) => { $d crate::__log_at!($level [Once ()] $d ($d message)+) };
        }

        #[doc = concat!("[`", stringify!($name), "!`](crate::", stringify!($name), "), at the first of every `n` calls.")]
        ///
        /// The record says how many were `suppressed` since the one before, by a key-value of that name. `n` is a
        /// `u64`; 0 counts as 1.
        ///
        /// ```
        /// for step in 0..300 {
        #[doc = concat!("    shmlog::", stringify!($every_n), "!(100, \"step {step}\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $every_n {
            ($d n:expr, $d ($d message:tt)+) => { $d crate::__log_at!($level [EveryN ($d n)] $d ($d message)+) };
        }

        #[doc = concat!("[`", stringify!($name), "!`](crate::", stringify!($name), "), if the last one was so long ago.")]
        ///
        /// The record says how many were `suppressed` since the one before, by a key-value of that name.
        ///
        /// ```
        /// use std::time::Duration;
        /// for step in 0..300 {
        #[doc = concat!("    shmlog::", stringify!($throttle), "!(Duration::from_secs(1), step; \"still waiting\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $throttle {
            ($d duration:expr, $d ($d message:tt)+) => {
                $d crate::__log_at!($level [Throttle ($d duration)] $d ($d message)+)
            };
        }

        #[doc = concat!("[`", stringify!($name), "!`](crate::", stringify!($name), "), but for the first call.")]
        ///
        /// ```
        /// for bus in 0..3 {
        #[doc = concat!("    shmlog::", stringify!($skip_first), "!(\"bus {bus} was reset\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $skip_first {
            ($d ($d message:tt)+) => { $d crate::__log_at!($level [SkipFirst ()] $d ($d message)+) };
        }

        #[doc = concat!("[`", stringify!($name), "!`](crate::", stringify!($name), "), at the first call and whenever the value is another than at the call before.")]
        ///
        /// The value may be of any type that has `Debug`; numbers, `bool`, `char` and text are compared as they are, others
        /// by what `Debug` writes (by 64 bits of a hash of it). The record says how many were `suppressed` since the
        /// one before, by a key-value of that name.
        ///
        /// ```
        /// for state in ["idle", "idle", "moving"] {
        #[doc = concat!("    shmlog::", stringify!($on_change), "!(state, \"the arm is {state}\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $on_change {
            ($d value:expr, $d ($d message:tt)+) => {
                $d crate::__log_at!($level [OnChange ($d value)] $d ($d message)+)
            };
        }
    };
}

level_macros!($ Trace trace trace_once trace_every_n trace_throttle trace_skip_first trace_on_change);
level_macros!($ Debug debug debug_once debug_every_n debug_throttle debug_skip_first debug_on_change);
level_macros!($ Info info info_once info_every_n info_throttle info_skip_first info_on_change);
level_macros!($ Warn warn warn_once warn_every_n warn_throttle warn_skip_first warn_on_change);
level_macros!($ Error error error_once error_every_n error_throttle error_skip_first error_on_change);
level_macros!($ Critical critical critical_once critical_every_n critical_throttle critical_skip_first critical_on_change);

/// For the macros alone; anything in here may change at any time.
#[doc(hidden)]
pub mod private {
    pub use shmlog_macros::capture;

    pub use super::conditions::{EveryN, OnChange, Once, SkipFirst, Throttle};
    pub use crate::compiled::is_compiled;
    pub use crate::level::Level;
    use crate::producer;
    pub use crate::record::CallSite;
    use crate::record::capture::{Arguments, Suppressed};
    pub use crate::record::capture::{ByText, ByValue, Held, Rendered};

    /// Whether a record of this level may be recorded now.
    pub use crate::sink::own::{REGISTERED, Registered};
    pub use linkme;

    #[inline]
    pub fn is_enabled(level: Level) -> bool {
        is_compiled(level) && producer::is_enabled(level)
    }

    /// Whether one of a level that is enabled is, of this call site and target.
    #[inline]
    pub fn passes(
        level: Level,
        site: &'static CallSite,
        target: Option<&(impl AsRef<str> + ?Sized)>,
    ) -> bool {
        producer::passes(level, site, target.map(AsRef::as_ref))
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

    /// The same, and says how many were suppressed before it.
    #[inline]
    pub fn log_conditionally(
        level: Level,
        site: &'static CallSite,
        target: Option<&(impl AsRef<str> + ?Sized)>,
        arguments: &impl Arguments,
        suppressed: u64,
    ) {
        let arguments = &Suppressed(arguments, suppressed);
        log_captured(level, site, target, arguments);
    }
}
