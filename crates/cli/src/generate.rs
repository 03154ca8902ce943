//! `shmlog generate`: writes man pages and shell completions, of what `cli.rs` says, and a format file for lnav.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::{self, Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  shmlog generate man ~/.local/share/man/man1
  . <(shmlog generate completions bash)     # in ~/.bashrc
  shmlog generate completions zsh > \"${fpath[1]}/_shmlog\"
  shmlog generate completions fish > ~/.config/fish/completions/shmlog.fish
  shmlog generate lnav > shmlog.json && lnav -i shmlog.json";

/// What lnav must know to take a line of a text file apart.
const LNAV: &str = include_str!("generate/lnav.json");

/// Writes man pages, shell completions, and a format file for lnav
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Man pages: shmlog.1, and one for each subcommand
    Man {
        /// Where they are written; made if it is missing
        #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// What a shell needs to complete arguments, on standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The format of text files for lnav, on standard output: fields to filter and sort by
    Lnav,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    match arguments.what {
        What::Man { folder } => write_pages(&folder),
        What::Lnav => failure::print(LNAV),
        What::Completions { shell } => {
            // What comes of writing is not told by the generator: a text first, then we see.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "shmlog", &mut text);
            failure::print(&String::from_utf8_lossy(&text))
        }
    }
}

fn write_pages(folder: &Path) -> Outcome {
    let named = |error: io::Error| {
        let folder = folder.display();
        Failure::new(format!(
            "cannot write man pages into {folder}: {error}; name a folder that you may write to"
        ))
    };
    std::fs::create_dir_all(folder).map_err(named)?;
    let mut tool = Cli::command().disable_help_subcommand(true);
    // So that subcommands have their whole names.
    tool.build();
    write_page(&tool, folder).map_err(named)?;
    Ok(ExitCode::SUCCESS)
}

/// Of a command, and of those below it.
fn write_page(command: &Command, folder: &Path) -> io::Result<()> {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        write_page(below, folder)?;
    }
    // What stands behind the options is ours to lay out.
    let plain = command
        .clone()
        .after_help(None::<&str>)
        .after_long_help(None::<&str>);
    let page = Man::new(plain)
        .source(concat!("shmlog ", env!("CARGO_PKG_VERSION")))
        .manual("shmlog");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        text.extend_from_slice(notes(&more.to_string()).as_bytes());
    }
    std::fs::write(folder.join(page.get_filename()), text)
}

/// What stands below a command's options: paragraphs, those with indented lines as they stand.
fn notes(text: &str) -> String {
    let mut roff = String::new();
    let mut heading = "";
    for paragraph in text.split("\n\n") {
        let (section, paragraph) = match paragraph.split_once(":\n") {
            Some(("Examples", rest)) => ("EXAMPLES", rest),
            _ => ("NOTES", paragraph),
        };
        if section != heading {
            roff += &format!(".SH {section}\n");
            heading = section;
        } else {
            roff += ".PP\n";
        }
        let is_laid_out = paragraph.lines().any(|line| line.starts_with(' '));
        let lines = paragraph.lines().map(|line| escaped(line) + "\n");
        let lines: String = lines.collect();
        roff += &if is_laid_out {
            format!(".nf\n{lines}.fi\n")
        } else {
            lines
        };
    }
    roff
}

/// A line as it is seen, whatever its signs mean to roff.
fn escaped(line: &str) -> String {
    let line = line
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    if line.starts_with('.') {
        format!("\\&{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines_and_what_follows_is_set_as_text() {
        let text =
            "Examples:\n  shmlog ls  # all\n  a \\ b\n\nThe exit code\n.is it's own.\n\nMore.";
        let roff = ".SH EXAMPLES\n.nf\n  shmlog ls  # all\n  a \\e b\n.fi\n.SH NOTES\nThe exit code\n\\&.is it\\(aqs own.\n.PP\nMore.\n";
        assert_eq!(notes(text), roff);
    }

    #[test]
    fn the_commands_make_sense_to_clap() {
        Cli::command().debug_assert();
    }
}
