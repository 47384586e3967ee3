//! Keeping threads that work together on different cores.
//!
//! A scheduler may wake a thread on the core of whoever woke it, where it must wait, and leave both there for seconds
//! while another core idles: two threads then take longer than one. So a member of a team that finds itself on the core
//! of one before it leaves and keeps away from there. All other cores stay open to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A thread does not move more often, so that threads that are moved about by others do not chase each other.
const REST: Duration = Duration::from_millis(5);

/// A thread's place before it has one, and on systems that do not tell.
const NOWHERE: usize = usize::MAX;

/// The core of each thread of a team when it was last seen.
#[derive(Debug)]
pub(super) struct Seen(Vec<AtomicUsize>);

impl Seen {
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| AtomicUsize::new(NOWHERE)).collect())
    }

    /// Notes where the calling thread is, whose number this is.
    pub(super) fn note(&self, index: usize) {
        let here = here();
        // All members read these; they should not lose them for nothing.
        if self.core(index) != here {
            self.0[index].store(here, Ordering::Relaxed);
        }
    }

    fn core(&self, index: usize) -> usize {
        self.0[index].load(Ordering::Relaxed)
    }
}

/// What the thread of one number knows about its own moves.
#[derive(Debug)]
pub(super) struct Member {
    index: usize,
    /// The cores that others let the thread use.
    allowed: Cores,
    /// Those that it keeps to.
    kept: Cores,
    moved: Option<Instant>,
}

impl Member {
    /// The calling thread as a member of a team.
    pub(super) fn new(index: usize) -> Self {
        let allowed = Cores::now();
        Self {
            index,
            kept: allowed.clone(),
            allowed,
            moved: None,
        }
    }

    /// Leaves the core of a thread with a lower number, unless there is no other, and notes where it is.
    pub(super) fn keep_apart(&mut self, seen: &Seen) {
        let before = || (0..self.index).map(|index| seen.core(index));
        let here = here();
        let shared = here != NOWHERE && before().any(|core| core == here);
        if shared && self.moved.is_none_or(|moved| moved.elapsed() > REST) {
            self.moved = Some(Instant::now());
            let now = Cores::now();
            if now != self.kept {
                // Somebody else has said where it may run.
                self.allowed = now;
            }
            self.allowed.without(before()).stay();
            self.kept = Cores::now();
        }
        seen.note(self.index);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    pub(super) fn here() -> usize {
        sched_getcpu()
    }

    /// Cores that a thread may use; empty when the system does not tell.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(super) struct Cores(CpuSet);

    impl Cores {
        pub(super) fn now() -> Self {
            Self(sched_getaffinity(None).unwrap_or_default())
        }

        pub(super) fn without(&self, cores: impl Iterator<Item = usize>) -> Self {
            let mut set = self.0;
            for core in cores.filter(|core| *core < CpuSet::MAX_CPU) {
                set.unset(core);
            }
            Self(set)
        }

        /// Keeps the calling thread on these cores, if there are any; it is there when this returns.
        pub(super) fn stay(&self) {
            if self.0.count() > 0 {
                // Refused, it stays where it is, and is no worse off.
                let _ = sched_setaffinity(None, &self.0);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn here() -> usize {
        super::NOWHERE
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(super) struct Cores;

    impl Cores {
        pub(super) fn now() -> Self {
            Self
        }

        pub(super) fn without(&self, _: impl Iterator<Item = usize>) -> Self {
            Self
        }

        pub(super) fn stay(&self) {}
    }
}

use system::{Cores, here};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Runs `work` on a thread of its own, whose cores it may change.
    fn elsewhere(work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(work).join().unwrap();
    }

    /// Whoever is on the core of one before it leaves, and may use all others.
    #[test]
    fn members_leave_the_cores_of_those_before() {
        elsewhere(|| {
            let allowed = Cores::now();
            let seen = Seen::new(2);
            seen.note(0);
            let first = seen.core(0);
            Cores::now()
                .without((0..first).chain(first + 1..1024))
                .stay();
            let mut member = Member {
                index: 1,
                allowed: allowed.clone(),
                kept: Cores::now(),
                moved: None,
            };
            member.keep_apart(&seen);
            let others = allowed.without(std::iter::once(first));
            if others == others.without(0..1024) {
                assert_eq!(seen.core(1), first, "there is one core only");
            } else {
                assert_ne!(seen.core(1), first);
                assert_eq!(Cores::now(), others);
            }
        });
    }

    /// What somebody else says of its cores holds, also where it then has to share one.
    #[test]
    fn members_stay_where_others_put_them() {
        elsewhere(|| {
            let seen = Seen::new(2);
            let mut member = Member::new(1);
            seen.note(0);
            let first = seen.core(0);
            let only = Cores::now().without((0..first).chain(first + 1..1024));
            only.stay();
            member.keep_apart(&seen);
            assert_eq!(seen.core(1), first);
            assert_eq!(Cores::now(), only);
        });
    }

    /// It does not move while it is alone on its core, nor soon after it has moved.
    #[test]
    fn members_move_only_when_they_must() {
        elsewhere(|| {
            let allowed = Cores::now();
            let seen = Seen::new(2);
            let mut member = Member::new(1);
            member.keep_apart(&seen);
            assert_eq!(Cores::now(), allowed, "nobody was seen yet");
            seen.note(0);
            member.moved = Some(Instant::now() + Duration::from_secs(60));
            member.keep_apart(&seen);
            assert_eq!(Cores::now(), allowed, "it has just moved");
        });
    }
}
