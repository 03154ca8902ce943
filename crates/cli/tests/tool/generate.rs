//! `shmlog generate`: man pages that man takes, completions that shells take.

use std::fs;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;

use crate::logged::{Sinks, only_file};
use crate::support::{Folder, Role, assert_says};
use crate::tool::shmlog;
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        every_subcommand_has_a_man_page_that_is_set_without_a_warning,
        what_bash_is_given_is_a_script_that_completes_subcommands,
        every_shell_gets_a_script_that_names_all_subcommands,
        lnav_takes_the_lines_of_a_text_file_apart,
        a_folder_that_cannot_be_written_is_named,
    ]
}

const COMMANDS: &[&str] = &[
    "run", "ls", "top", "tail", "level", "flush", "recover", "drain", "doctor", "plot", "generate",
];

fn every_subcommand_has_a_man_page_that_is_set_without_a_warning() -> Result<(), Ignored> {
    let folder = Folder::new();
    let pages = folder.path().join("man1");
    shmlog(&["generate", "man", pages.to_str().unwrap()])
        .assert()
        .success();
    let mut names: Vec<String> = COMMANDS
        .iter()
        .map(|name| format!("shmlog-{name}.1"))
        .collect();
    names.push("shmlog.1".to_owned());
    for name in &names {
        assert!(pages.join(name).exists(), "{name}");
    }
    let run = fs::read_to_string(pages.join("shmlog-run.1")).unwrap();
    assert_says(&run, &[".SH EXAMPLES", ".SH NOTES", "procfile"]);
    if Command::new("groff").arg("-v").output().is_err() {
        return Err(Ignored("there is no groff (Debian package groff)"));
    }
    for page in fs::read_dir(&pages).unwrap() {
        let path = page.unwrap().path();
        let set = Command::new("groff")
            .args(["-man", "-ww", "-k", "-Tutf8"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&set.stderr).into_owned();
        assert!(
            set.status.success() && said.is_empty(),
            "{}: {said}",
            path.display()
        );
    }
    Ok(())
}

fn completions(shell: &str) -> String {
    let output = shmlog(&["generate", "completions", shell])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn what_bash_is_given_is_a_script_that_completes_subcommands() {
    let script = completions("bash");
    let complete = "\nCOMP_WORDS=(shmlog do); COMP_CWORD=1; _shmlog shmlog do shmlog; echo \"${COMPREPLY[@]}\"";
    for (arguments, expected) in [(&["-n", "-c"][..], ""), (&["-c"], "doctor\n")] {
        let mut bash = Command::new("bash");
        let bash = bash.args(arguments).arg(format!("{script}{complete}"));
        let output = bash.stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

fn every_shell_gets_a_script_that_names_all_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert_says(&completions(shell), COMMANDS);
    }
    shmlog(&["generate", "completions", "cmd.exe"])
        .assert()
        .code(2);
}

fn lnav_takes_the_lines_of_a_text_file_apart() -> Result<(), Ignored> {
    if Command::new("lnav").arg("-V").output().is_err() {
        return Err(Ignored("there is no lnav (Debian package lnav)"));
    }
    let sinks = Sinks::new();
    let config = sinks.at("config");
    let formats = config.join("lnav/formats/shmlog");
    fs::create_dir_all(&formats).unwrap();
    let format = shmlog(&["generate", "lnav"]).output().unwrap();
    fs::write(formats.join("shmlog.json"), format.stdout).unwrap();
    let query = ";SELECT seq, log_level, process, pid, thread, target, line, log_body FROM shmlog_log WHERE seq IS NOT NULL";
    let mut lnav = Command::new("lnav");
    lnav.args(["-n", "-c", query, "-c", ":write-json-to -"])
        .arg(only_file(&sinks.at("text")))
        .env("XDG_CONFIG_HOME", &config)
        .env("HOME", sinks.folder.path())
        .env_remove("NO_COLOR");
    let output = lnav.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let found: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {said}"));
    let rows = sinks.rows();
    assert_eq!(found.len(), rows.len(), "{said}");
    for (found, row) in found.iter().zip(&rows) {
        for key in ["seq", "process", "pid", "thread", "line"] {
            assert_eq!(found[key], row[key], "{found} {row}");
        }
    }
    Ok(())
}

fn a_folder_that_cannot_be_written_is_named() {
    let output = shmlog(&["generate", "man", "/dev/null/man"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["/dev/null/man", "name a folder"],
    );
}
