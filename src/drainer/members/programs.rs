//! Members that have begun another program (`exec`): what the one before was about to write comes no more.

use super::{Known, Members};
use crate::segment::Identity;

/// Of so many members it is asked at a time which program they run.
const LOOKED_AT_CLOSELY: usize = 256;

impl Members {
    /// Looks whether members have begun another program, which cannot write what the one before was about to, and does
    /// not have the ring mapped: a part of them at each call, since it takes a look at a file for each.
    pub(in crate::drainer) fn look_for_other_programs(&mut self) {
        self.parent_watch.look_closely();
        self.strays.iter_mut().for_each(Known::look_closely);
        let all = self.members.len();
        for index in 0..all.min(LOOKED_AT_CLOSELY) {
            let index = (self.next_closely + index) % all;
            self.members[index].iter_mut().for_each(Known::look_closely);
        }
        self.next_closely = (self.next_closely + LOOKED_AT_CLOSELY) % all.max(1);
    }

    /// A process runs one program at a time. So of entries of one process that speak of different programs, which
    /// `exec` leaves behind, all but those of the present one have no owner. Which that is its memory says; where the
    /// system does not let us look there, the one that entered last.
    pub(super) fn end_former_programs(
        &mut self,
        of: Identity,
        image_of: impl Fn(u32) -> Option<u64>,
    ) {
        let all = self.members.iter_mut().flatten().chain(&mut self.strays);
        let mut entries: Vec<&mut Known> = all
            .filter(|known| !known.gone && known.identity.is_same_process(of))
            .filter(|known| known.identity.image != 0)
            .collect();
        let is_parent = self.parent.is_same_process(of) && self.parent.image != 0;
        let of_parent = is_parent.then_some(self.parent.image);
        let images = entries.iter().map(|known| known.identity.image);
        let mut images = images.chain(of_parent);
        let first = images.next();
        if images.all(|image| Some(image) == first) {
            return;
        }
        let last = entries.iter().max_by_key(|known| known.entered);
        let last = last.map(|known| known.identity.image);
        let Some(present) = image_of(of.pid).or(last) else {
            return;
        };
        let former = entries.iter_mut();
        let former = former.filter(|known| known.identity.image != present);
        former.for_each(|known| known.note_gone());
        if of_parent.is_some_and(|image| image != present) {
            self.parent_watch.note_gone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Geometry, Segment, Settings};

    const GEOMETRY: Geometry = Geometry {
        slots: 16,
        slot_size: 64,
        max_producers: 4,
        site_slots: 16,
        site_bytes: 1024,
    };
    const SETTINGS: Settings = Settings::PLAIN;

    /// Which of the entries of these identities, entered one after the other, are known to be gone.
    fn gone(identities: &[Identity], seen: Option<fn(u32) -> Option<u64>>) -> Vec<bool> {
        let segment = Segment::private("shmlog-programs", GEOMETRY, SETTINGS);
        let segment: &'static Segment = Box::leak(Box::new(segment));
        let mut members = Members::new(segment, Identity::of_pid(0));
        // All at once, as a drainer that was started again finds them: or one after the other.
        for (index, identity) in identities.iter().enumerate() {
            segment.enter_member(*identity, "member").unwrap();
            if let Some(image_of) = seen {
                let (entry, watch) = (segment.member(index), members.watch_over(*identity));
                members.members[index] = Some(Known {
                    state: entry.state().load(),
                    identity: *identity,
                    entered: entry.entered(),
                    name: String::new(),
                    watch,
                    gone: false,
                });
                members.end_former_programs(*identity, image_of);
            }
        }
        if seen.is_none() {
            members.renew(&mut || 0);
        }
        let known = members.members.iter().flatten();
        known.map(|known| known.gone).collect()
    }

    fn with_image(image: u64) -> Identity {
        Identity {
            image,
            ..Identity::of_this_process()
        }
    }

    #[test]
    fn what_a_process_runs_its_memory_tells_and_no_forged_entry_does() {
        let me = Identity::of_this_process();
        let other = with_image(me.image + 1);
        assert_eq!(gone(&[me, other], None), [false, true]);
        assert_eq!(gone(&[other, me], None), [true, false]);
        // Two copies of the library in one process.
        assert_eq!(gone(&[me, me], None), [false, false]);
        // Whose image is not known is of no certain program.
        assert_eq!(
            gone(&[with_image(0), me, other], None),
            [false, false, true]
        );
    }

    #[test]
    fn where_its_memory_may_not_be_read_the_program_that_entered_last_is_the_present_one() {
        let [first, second] = [7, 8].map(with_image);
        let untold: Option<fn(u32) -> Option<u64>> = Some(|_| None);
        assert_eq!(gone(&[first, second], untold), [true, false]);
        assert_eq!(gone(&[first, first], untold), [false, false]);
        assert_eq!(gone(&[first, second, second], untold), [true, false, false]);
        let another = Identity {
            start: first.start + 1,
            ..first
        };
        let gone_by_another = gone(&[second, another], untold)[0];
        assert!(!gone_by_another, "that is another process");
    }
}
