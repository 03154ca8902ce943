//! Reading a procfile: a line `name: command` for each program, `#` before a comment, as foreman has it.

use std::path::Path;

use crate::failure::Failure;

/// A program of a procfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// For the shell.
    pub command: String,
}

/// The programs of a file, at least one.
pub fn read(file: &Path) -> Result<Vec<Entry>, Failure> {
    let named = |why: &str| Failure::new(format!("the procfile {}: {why}", file.display()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| named(&format!("{error}; name another by --procfile FILE")))?;
    parse(&text).map_err(|why| named(&why))
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    let lines = (1..).zip(text.lines().map(str::trim));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let entry = parse_line(line).ok_or_else(|| {
            format!("line {number} is {line:?}; a line is `name: command`, of letters, digits, - and _, or a comment that begins with #")
        })?;
        if entries.iter().any(|known| known.name == entry.name) {
            return Err(format!(
                "line {number} names a second {:?}; each needs a name of its own",
                entry.name
            ));
        }
        entries.push(entry);
    }
    match entries.is_empty() {
        true => Err("there is no program in it; a line is `name: command`".to_owned()),
        false => Ok(entries),
    }
}

fn parse_line(line: &str) -> Option<Entry> {
    let (name, command) = line.split_once(':')?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let (name, command) = (name.trim_end(), command.trim());
    let is_one = !name.is_empty() && name.chars().all(is_plain) && !command.is_empty();
    is_one.then(|| Entry {
        name: name.to_owned(),
        command: command.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, command: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            command: command.to_owned(),
        }
    }

    #[test]
    fn programs_come_in_their_order_and_comments_and_blank_lines_do_not_count() {
        let text =
            "# the robot\n\nimu: ./imu --rate 400\r\n  arm-left : PORT=3 ./arm left:1 # not ours\n";
        let expected = [
            entry("imu", "./imu --rate 400"),
            entry("arm-left", "PORT=3 ./arm left:1 # not ours"),
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_entry_is_refused_by_its_line() {
        for (text, words) in [
            ("imu ./imu", "line 1 is \"imu ./imu\""),
            ("#\nimu:", "line 2"),
            (": ./imu", "line 1"),
            ("i m u: ./imu", "line 1"),
            ("imu: a\nimu: b", "line 2 names a second \"imu\""),
            ("# nothing", "no program"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
