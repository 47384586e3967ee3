//! Threads that share out short pieces of work.
//!
//! A forward pass has a hundred sections of 50 to 500 microseconds. A sleeping thread takes about as long to wake, so
//! between sections a member of the team keeps looking for work for a while before it sleeps, as the threads of OpenMP
//! do. Pools for general work (rayon's) give up after some ten microseconds.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::apart::{Member, Seen};
use crate::cores::stay_on;

/// How long a member looks for the next section before it sleeps: longer than what a pass does between two sections.
const LOOK: Duration = Duration::from_micros(300);

/// Looks between two offers of the core to others, and two questions after the time.
const LOOKS: u32 = 64;

/// How long a caller waits for another one's section to end before it works alone.
const TURN: Duration = Duration::from_micros(500);

/// In [`Shared::door`]: members may enter. The bits below count those inside, the bits above the sections so far.
const OPEN: usize = 1 << 16;

/// Members that help whoever calls [`Team::each`].
pub(super) struct Team {
    shared: Arc<Shared>,
    members: Vec<JoinHandle<()>>,
}

struct Shared {
    /// See [`OPEN`].
    door: CachePadded<AtomicUsize>,
    /// The next piece of the section.
    next: CachePadded<AtomicUsize>,
    section: RwLock<Section>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Held by the caller whose section it is.
    taken: Mutex<()>,
    /// Which members sleep or are about to. Whoever takes a flag away wakes its member.
    asleep: Vec<AtomicBool>,
    ended: AtomicBool,
    /// The caller's core and those of the members.
    seen: Seen,
}

/// What there is to do.
#[derive(Default)]
struct Section {
    work: Option<Erased>,
    pieces: usize,
}

/// The work of a section, without its lifetime.
#[derive(Clone, Copy)]
struct Erased(*const (dyn Fn(usize) + Sync));

// SAFETY: what it points to is `Sync`, so any thread may call it; that it still lives is the care of `Open`.
unsafe impl Send for Erased {}
// SAFETY: as above.
unsafe impl Sync for Erased {}

impl Team {
    /// A team of so many members besides the caller, who stay on these cores if there are any.
    ///
    /// # Errors
    /// What the system says when it has no more threads to give; those that started end again.
    pub(super) fn new(members: usize, cores: &[usize]) -> std::io::Result<Self> {
        let mut team = Self {
            shared: Arc::new(Shared {
                door: CachePadded::default(),
                next: CachePadded::default(),
                section: RwLock::default(),
                panic: Mutex::default(),
                taken: Mutex::default(),
                asleep: (0..members).map(|_| AtomicBool::new(false)).collect(),
                ended: AtomicBool::new(false),
                seen: Seen::new(members + 1),
            }),
            members: Vec::with_capacity(members),
        };
        for index in 0..members {
            let (shared, cores) = (Arc::clone(&team.shared), cores.to_vec());
            let builder = std::thread::Builder::new().name(format!("encoder-{}", index + 1));
            team.members.push(builder.spawn(move || {
                // The engine's own threads are put on the same cores, and say so if that fails.
                let _ = stay_on(&cores);
                shared.live(index);
            })?);
        }
        Ok(team)
    }

    /// Wakes those who sleep, since there soon will be work.
    pub(super) fn rouse(&self) {
        self.shared.seen.note(0);
        self.wake(self.members.len());
    }

    /// Sees that so many members are awake.
    fn wake(&self, members: usize) {
        for (flag, member) in self.shared.asleep.iter().zip(&self.members).take(members) {
            // `SeqCst`, for `sleep`.
            if flag.load(Ordering::SeqCst) && flag.swap(false, Ordering::SeqCst) {
                member.thread().unpark();
            }
        }
    }

    /// Calls `work` once with each number below `pieces`, here and on members that are free. If somebody else keeps the
    /// team for long, all of it is done here.
    ///
    /// # Panics
    /// When `work` does. Nobody is in `work` any more by then, and some pieces may be undone.
    pub(super) fn each(&self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        let Some(taken) = self.shared.taken.try_lock_for(TURN) else {
            return (0..pieces).for_each(work);
        };
        // SAFETY: only the lifetime changes. Members call the work while they are inside a section only, and `Open`
        // keeps this function from ending, be it by a panic, while members are inside or can still get there.
        let erased = Erased(unsafe {
            std::mem::transmute::<
                *const (dyn Fn(usize) + Sync + '_),
                *const (dyn Fn(usize) + Sync + 'static),
            >(std::ptr::from_ref(work))
        });
        let open = Open::new(&self.shared, erased, pieces);
        self.wake(pieces.saturating_sub(1));
        while let Some(index) = self.shared.piece(pieces) {
            work(index);
        }
        drop(open);
        let panic = self.shared.panic.lock().take();
        // Who waits for the team has its turn before this caller's next section.
        MutexGuard::unlock_fair(taken);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.wake(self.members.len());
        for member in self.members.drain(..) {
            // A member catches its work's panics and has none of its own.
            let _ = member.join();
        }
    }
}

/// A section that members may enter. When it is dropped, nobody can any more, and those inside have left.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    /// Whoever calls it holds [`Shared::taken`], so the door is closed and nobody inside.
    fn new(shared: &'a Shared, work: Erased, pieces: usize) -> Self {
        *shared.section.write() = Section {
            work: Some(work),
            pieces,
        };
        // Of a section whose caller panicked too.
        *shared.panic.lock() = None;
        shared.next.store(0, Ordering::Relaxed);
        shared.seen.note(0);
        let number = shared.door.load(Ordering::Relaxed) / (2 * OPEN) + 1;
        // What was written above is seen by whoever sees the door open. `SeqCst` besides, for `sleep`.
        let door = number.wrapping_mul(2 * OPEN) | OPEN;
        shared.door.store(door, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // After a panic of the caller's own, nobody should begin another piece.
        self.0.next.store(usize::MAX / 2, Ordering::Relaxed);
        let mut door = self.0.door.fetch_and(!OPEN, Ordering::AcqRel) & !OPEN;
        let mut looks = 0;
        while door & (OPEN - 1) != 0 {
            pause(&mut looks);
            door = self.0.door.load(Ordering::Acquire);
        }
        self.0.section.write().work = None;
    }
}

/// Between two looks. Now and then others get the core: perhaps those that are waited for.
fn pause(looks: &mut u32) {
    *looks = looks.wrapping_add(1);
    if looks.is_multiple_of(LOOKS) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

impl Shared {
    /// A piece that nobody has taken yet.
    fn piece(&self, pieces: usize) -> Option<usize> {
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < pieces)
    }

    /// Is a section open that is not this one?
    fn is_open(&self, last: usize) -> bool {
        let door = self.door.load(Ordering::SeqCst);
        door & OPEN != 0 && door / (2 * OPEN) != last
    }

    /// What a member does. The caller has the number 0 in [`Seen`].
    fn live(&self, index: usize) {
        let mut member = Member::new(index + 1);
        let mut last = 0;
        while !self.ended.load(Ordering::SeqCst) {
            if !self.look(last) {
                self.sleep(index, last);
            }
            // Before it enters, since the caller waits for those inside.
            member.keep_apart(&self.seen);
            if let Some(number) = self.enter(last) {
                last = number;
                self.help();
                self.door.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Looks for a section after the last one, for a while.
    fn look(&self, last: usize) -> bool {
        let (mut looks, mut since) = (0, None);
        while !self.is_open(last) {
            pause(&mut looks);
            if looks.is_multiple_of(LOOKS)
                && since.get_or_insert_with(Instant::now).elapsed() > LOOK
            {
                return false;
            }
        }
        true
    }

    /// Sleeps until it is woken, unless there is a section after the last one.
    fn sleep(&self, index: usize, last: usize) {
        let flag = &self.asleep[index];
        flag.store(true, Ordering::SeqCst);
        // Either the open door is seen here, or whoever opened it sees the flag: all four accesses are `SeqCst`.
        while flag.load(Ordering::SeqCst) {
            if self.is_open(last) || self.ended.load(Ordering::SeqCst) {
                flag.store(false, Ordering::SeqCst);
            } else {
                std::thread::park();
            }
        }
    }

    /// Goes inside, if the door is still open; the section's number.
    fn enter(&self, last: usize) -> Option<usize> {
        let inside = |door: usize| {
            (door & OPEN != 0 && door / (2 * OPEN) != last).then_some(door.wrapping_add(1))
        };
        let entered = (self.door).fetch_update(Ordering::AcqRel, Ordering::Acquire, inside);
        entered.ok().map(|door| door / (2 * OPEN))
    }

    /// Does pieces of the section while there are any.
    fn help(&self) {
        let (work, pieces) = {
            let section = self.section.read();
            (section.work, section.pieces)
        };
        let Some(Erased(work)) = work else { return };
        // SAFETY: this member is inside, so `Open` still waits for it, and the work lives.
        let work = unsafe { &*work };
        let worked = catch_unwind(AssertUnwindSafe(|| {
            while let Some(index) = self.piece(pieces) {
                work(index);
            }
        }));
        if let Err(panic) = worked {
            self.panic.lock().get_or_insert(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Every piece once, whatever the sizes, with members that sleep in between.
    #[test]
    fn each_piece_is_done_once() {
        let team = Team::new(3, &[]).unwrap();
        for round in 0..2000usize {
            let pieces = round % 17;
            let counts: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
            team.each(pieces, &|index| {
                counts[index].fetch_add(1, Ordering::Relaxed);
            });
            assert!(
                counts
                    .iter()
                    .all(|count| count.load(Ordering::Relaxed) == 1)
            );
            if round % 100 == 0 {
                std::thread::sleep(2 * LOOK);
            }
        }
    }

    /// A member takes part: two pieces wait for each other.
    #[test]
    fn members_help_even_from_sleep() {
        let team = Team::new(1, &[]).unwrap();
        for _ in 0..20 {
            std::thread::sleep(2 * LOOK);
            let both = std::sync::Barrier::new(2);
            team.each(2, &|_| {
                both.wait();
            });
        }
    }

    /// Several callers share a team: each has its turn, or works alone where it comes too late.
    #[test]
    fn callers_take_turns() {
        let team = Team::new(2, &[]).unwrap();
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        team.each(8, &|index| {
                            sum.fetch_add(index, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 4 * 500 * 28);
        // Inside a section the team stays taken, so a section within it is done alone after a while.
        let inner = AtomicUsize::new(0);
        team.each(4, &|_| {
            team.each(4, &|_| {
                inner.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(inner.into_inner(), 16);
    }

    /// A panic reaches the caller, wherever it happened, and the team goes on.
    #[test]
    fn panics_reach_the_caller() {
        let team = Team::new(2, &[]).unwrap();
        for bad in 0..24 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                team.each(24, &|index| {
                    std::thread::sleep(Duration::from_micros(20));
                    assert!(index != bad, "piece {bad}");
                });
            }));
            let panic = caught.unwrap_err();
            assert_eq!(*panic.downcast::<String>().unwrap(), format!("piece {bad}"));
            let done = AtomicUsize::new(0);
            team.each(24, &|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.into_inner(), 24);
        }
    }

    /// When caller and member panic in one section, the next one hears of neither.
    #[test]
    fn a_panic_does_not_outlive_its_section() {
        let team = Team::new(1, &[]).unwrap();
        for _ in 0..20 {
            let both = std::sync::Barrier::new(2);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                team.each(2, &|_| {
                    both.wait();
                    panic!("all pieces are bad");
                });
            }));
            assert!(caught.is_err());
            team.each(8, &|_| {});
        }
    }
}
