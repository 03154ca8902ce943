//! Where the link leads, and what is left alone.

use std::os::unix::fs::symlink;

use super::*;
use crate::sink::file::tests::Folder;

const LINK: &str = "app_latest.log";

fn names() -> Names {
    Names::new("app", ".log")
}

fn held(folder: &Folder) -> HeldFolder {
    HeldFolder::try_hold(folder.path()).unwrap().unwrap()
}

/// Where it leads.
fn target(folder: &Folder) -> String {
    let target = fs::read_link(folder.path().join(LINK)).unwrap();
    target.into_os_string().into_string().unwrap()
}

fn touch(folder: &Folder, micros: i64) -> String {
    let name = names().at(micros);
    fs::write(folder.path().join(&name), "").unwrap();
    name
}

#[test]
fn the_link_leads_to_the_file_by_its_name_alone_and_nothing_else_is_left() {
    let folder = Folder::new("link");
    for micros in 0..3 {
        let name = touch(&folder, micros);
        point_at(&held(&folder), &names(), &name).unwrap();
        assert_eq!(target(&folder), name);
    }
    assert_eq!(folder.names().len(), 4);
}

#[test]
fn what_somebody_left_who_was_killed_on_the_way_is_no_obstacle() {
    let folder = Folder::new("half a link");
    let name = touch(&folder, 0);
    symlink("gone", folder.path().join("app_latest.log.new")).unwrap();
    point_at(&held(&folder), &names(), &name).unwrap();
    assert_eq!(target(&folder), name);
    assert_eq!(folder.names(), [&name, LINK]);
}

#[test]
fn what_is_no_link_is_left_alone_and_the_error_says_so() {
    let folder = Folder::new("no link");
    let name = touch(&folder, 0);
    fs::write(folder.path().join(LINK), "mine").unwrap();
    let refused = point_at(&held(&folder), &names(), &name).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains(LINK) && text.contains("left alone"), "{text}");
    mend(&held(&folder), &names()).unwrap();
    assert_eq!(fs::read(folder.path().join(LINK)).unwrap(), b"mine");
}

#[test]
fn a_link_whose_file_is_gone_leads_to_the_newest_plain_file_or_goes() {
    let folder = Folder::new("mended");
    let made: Vec<_> = (0..4).map(|micros| touch(&folder, micros)).collect();
    point_at(&held(&folder), &names(), &made[3]).unwrap();
    mend(&held(&folder), &names()).unwrap();
    assert_eq!(target(&folder), made[3]);
    fs::remove_file(folder.path().join(&made[3])).unwrap();
    // One cannot look into that with `tail`.
    let packed = Names::compressed(&made[2]);
    fs::rename(folder.path().join(&made[2]), folder.path().join(packed)).unwrap();
    mend(&held(&folder), &names()).unwrap();
    assert_eq!(target(&folder), made[1]);
    for name in &made[..2] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    mend(&held(&folder), &names()).unwrap();
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn a_link_that_leads_elsewhere_is_somebody_elses_as_long_as_there_is_no_file_for_it() {
    let folder = Folder::new("elsewhere");
    symlink("../other.log", folder.path().join(LINK)).unwrap();
    mend(&held(&folder), &names()).unwrap();
    assert_eq!(target(&folder), "../other.log");
}
