//! shmlog in a shared library (`tests/plugin/`): one that is opened, one that is closed, one that a program is linked with.

#![allow(unsafe_code)]

use std::ffi::{CString, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;

use libtest_mimic::Trial;

use crate::host::host_good_child;
use crate::support::{Folder, Role, assert_says};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[("closes_a_plugin", closes_a_plugin)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_thread_that_logged_by_a_plugin_ends_after_that_was_closed,
        a_plugin_that_was_opened_makes_no_ring_and_does_not_begin_main_again,
        a_library_that_the_program_is_linked_with_makes_a_ring,
    ]
}

/// The library, which cargo makes with the examples.
fn plugin() -> Result<PathBuf, Ignored> {
    let program = std::env::current_exe().unwrap();
    let target = program.parent().and_then(Path::parent).unwrap();
    let plugin = target.join("examples/libplugin.so");
    match plugin.exists() {
        true => Ok(plugin),
        false => Err(Ignored("the plug-in is not made: cargo build --examples")),
    }
}

/// `plugin`: opens it, has a thread log by it, and closes it before that thread ends.
fn closes_a_plugin(arguments: &[String]) {
    let path = CString::new(&*arguments[0]).unwrap();
    // SAFETY: a text that ends in zero; what the library does when it is loaded is ours.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!library.is_null());
    // SAFETY: the library is open, and the text ends in zero.
    let attach = unsafe { libc::dlsym(library, c"plugin_attach".as_ptr()) };
    assert!(!attach.is_null());
    // SAFETY: that function has this type, and is called only while the library is open.
    let attach: extern "C" fn() -> bool = unsafe { std::mem::transmute::<*mut c_void, _>(attach) };
    let ((tell, told), (close, closed)) = (channel(), channel::<()>());
    let thread = std::thread::spawn(move || {
        tell.send(attach()).unwrap();
        closed.recv().unwrap();
    });
    assert!(told.recv().unwrap());
    // SAFETY: opened above; nothing of it is called any more.
    assert_eq!(unsafe { libc::dlclose(library) }, 0);
    close.send(()).unwrap();
    thread.join().unwrap();
}

fn a_thread_that_logged_by_a_plugin_ends_after_that_was_closed() -> Result<(), Ignored> {
    let (plugin, folder) = (plugin()?, Folder::new());
    let outcome = host_good_child(&folder, "", "closes_a_plugin", &[plugin.to_str().unwrap()]);
    assert_eq!(outcome.delivered, 1);
    assert_eq!(folder.messages(), ["from a plug-in"]);
    Ok(())
}

/// Compiles `tests/plugin/host.c`, and runs it once. Returns whether it ended well, what it said and how often its `main` began.
fn run_host(folder: &Folder, options: &[&str]) -> Result<(bool, String, usize), Ignored> {
    let plugin = plugin()?;
    let host = folder.path().join("host");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/host.c");
    let mut compiler = Command::new("cc");
    compiler.arg("-o").arg(&host).arg(source).args(options).arg("-ldl");
    if !compiler.output().is_ok_and(|output| output.status.success()) {
        return Err(Ignored("there is no C compiler: install the package gcc"));
    }
    let begun = folder.path().join("begun");
    let logs = folder.path().join("logs");
    let mut command = Command::new(&host);
    command.env("HOST_BEGUN", &begun).env("PLUGIN", &plugin).env("PLUGIN_FOLDER", &logs);
    command.env("LD_LIBRARY_PATH", plugin.parent().unwrap());
    let output = command.output().unwrap();
    let begun = fs::read_to_string(begun).unwrap().lines().count();
    Ok((output.status.success(), String::from_utf8(output.stdout).unwrap(), begun))
}

fn a_plugin_that_was_opened_makes_no_ring_and_does_not_begin_main_again() -> Result<(), Ignored> {
    let folder = Folder::new();
    let (is_well, said, begun) = run_host(&folder, &[])?;
    assert!(!is_well, "{said}");
    assert_says(&said, &["libplugin.so", "link shmlog into the executable", "external_drainer"]);
    assert_eq!(begun, 1, "main began again");
    Ok(())
}

fn a_library_that_the_program_is_linked_with_makes_a_ring() -> Result<(), Ignored> {
    let (plugin, folder) = (plugin()?, Folder::new());
    let search = format!("-L{}", plugin.parent().unwrap().display());
    let (is_well, said, begun) = run_host(&folder, &["-DLINKED", &search, "-lplugin"])?;
    assert!(is_well, "{said}");
    assert_eq!(begun, 1, "main began again");
    let log = Folder::log_text_of(&folder.path().join("logs"));
    assert_says(&log, &["from a plug-in"]);
    Ok(())
}
