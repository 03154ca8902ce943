//! Users by name.

use std::fs;

/// The name of a user, or the number if the system's list has none.
pub fn user(uid: u32) -> String {
    let list = fs::read("/etc/passwd").unwrap_or_default();
    name_in(&String::from_utf8_lossy(&list), uid).unwrap_or_else(|| uid.to_string())
}

/// passwd(5): `name:password:uid:…`, a line each.
fn name_in(list: &str, uid: u32) -> Option<String> {
    let mut lines = list.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number_and_broken_lines_are_passed_over() {
        let list =
            "root:x:0:0::/root:/bin/sh\nbroken\n::\nanna:x:1000:1000:Anna:/home/anna:/bin/sh\n";
        assert_eq!(name_in(list, 1000).as_deref(), Some("anna"));
        assert_eq!(name_in(list, 7), None);
    }
}
