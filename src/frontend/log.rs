//! The crate `log`: its statements become records of the ring that this process is attached to.

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Metadata, Record};

use super::bridged::Place;
use super::sites::{self, ANY};
use crate::flush::Waiting;
use crate::level::Level;
use crate::producer;
use crate::record::capture::{Arguments, Capture, Put, Rendered};
use crate::record::{About, CallSite, put_entry};

/// How long a flush by way of `log` waits, which cannot say that it gave up.
const FLUSH_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What `log` is given: this process's ring, whichever that is by then. It has a byte, and so an address of its own.
pub(crate) struct Ring(#[expect(dead_code, reason = "for the address")] u8);

pub(crate) static RING: Ring = Ring(0);

/// Makes the ring the logger of `log`, unless the program has made another one that before, which the log then says. All
/// levels come through: which are recorded says the ring's filter, which may change at any time.
pub(crate) fn install() {
    if log::set_logger(&RING).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    } else if !std::ptr::addr_eq(log::logger(), &raw const RING) {
        tell_of_another();
    }
}

/// Whatever the filter: what is missing in a log must be told in it.
fn tell_of_another() {
    static SITE: CallSite = CallSite::new("shmlog", file!(), line!(), "{}", "", true);
    let text = "the crate log has another logger already, so its statements are not in this log unless that one hands them \
                on: call init_parent() or attach() before it is set; or, if that is meant, say log_crate(false) to the \
                builder, also of an attach()";
    producer::write(Level::Warn, &SITE, None, &format_args!("{text}"));
}

impl log::Log for Ring {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::from(metadata.level());
        producer::is_enabled(level) && producer::passes(level, &ANY, Some(metadata.target()))
    }

    fn log(&self, record: &Record<'_>) {
        let level = Level::from(record.level());
        if producer::is_enabled(level) {
            write(level, record);
        }
    }

    fn flush(&self) {
        if let Some(attachment) = producer::current() {
            let (segment, ring) = (&attachment.segment, attachment.ring);
            // No error can be returned from here.
            let _ = Waiting { segment, ring }.flush(FLUSH_PATIENCE);
        }
    }
}

fn write(level: Level, record: &Record<'_>) {
    let site = match (record.file_static(), record.module_path_static()) {
        (Some(file), module) => {
            let (module, line) = (module.unwrap_or(""), record.line().unwrap_or(0));
            let key = (file.as_ptr() as usize, module.as_ptr() as usize, line);
            sites::site(key, || CallSite::new(module, file, line, "{}", "", false))
        }
        _ => {
            let (module, file, line) = (record.module_path(), record.file(), record.line());
            Place { module, file, line }.site()
        }
    };
    let target = (record.target() != site.statement.target).then(|| record.target());
    if producer::passes(level, site, target) {
        producer::write_captured(level, site, target, &Said(record));
    }
}

/// The message and the key-values of a record.
struct Said<'a, 'r>(&'a Record<'r>);

impl Arguments for Said<'_, '_> {
    fn words(&self) -> Option<usize> {
        let has_pairs = self.0.key_values().count() > 0;
        match (self.0.args().as_str(), has_pairs) {
            (Some(text), false) => (text,).words(),
            _ => None,
        }
    }

    fn capture_all(&self, out: &mut impl Put) {
        match self.0.args().as_str() {
            Some(text) => (text,).capture_all(out),
            None => (Rendered(*self.0.args()),).capture_all(out),
        }
        // No visitor of ours gives an error; a source that does has given what it could.
        let _ = self.0.key_values().visit(&mut Pairs(out));
    }
}

/// Takes key-values one by one.
struct Pairs<'p, P>(&'p mut P);

impl<'kvs, P: Put> VisitSource<'kvs> for Pairs<'_, P> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        value.visit(OneValue {
            key: key.as_str(),
            out: self.0,
        })
    }
}

/// Takes the value of a key.
struct OneValue<'v, P> {
    key: &'v str,
    out: &'v mut P,
}

impl<P: Put> OneValue<'_, P> {
    fn put(&mut self, value: &(impl Capture + ?Sized)) -> Result<(), Error> {
        put_entry(self.out, About::Value, self.key, value);
        Ok(())
    }
}

impl<'v, P: Put> VisitValue<'v> for OneValue<'_, P> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.put(&Rendered(format_args!("{value}")))
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.put(value)
    }

    fn visit_char(&mut self, value: char) -> Result<(), Error> {
        self.put(&value)
    }
}
