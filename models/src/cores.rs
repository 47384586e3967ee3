//! Keeping threads on cores.

/// The cores of thread `index` of `count`: neighbours in the list stay together.
pub(crate) fn share(cores: &[usize], index: usize, count: usize) -> Vec<usize> {
    if cores.len() < count {
        return cores.to_vec();
    }
    cores[cores.len() * index / count..cores.len() * (index + 1) / count].to_vec()
}

/// Keeps the calling thread, and the threads that it starts, on these cores; an empty list changes nothing.
///
/// # Errors
/// A sentence, when the system refuses.
#[cfg(target_os = "linux")]
pub(crate) fn stay_on(cores: &[usize]) -> Result<(), String> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for core in cores {
        if *core >= CpuSet::MAX_CPU {
            return Err(format!("threads.cores: there is no core {core}"));
        }
        set.set(*core);
    }
    sched_setaffinity(None, &set).map_err(|error| format!("threads.cores {cores:?}: {error}"))
}

/// Only Linux lets a thread choose its cores.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stay_on(cores: &[usize]) -> Result<(), String> {
    if cores.is_empty() {
        Ok(())
    } else {
        Err("threads.cores: works on Linux only".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_list() {
        assert_eq!(share(&[0, 1, 2, 3, 4], 0, 2), [0, 1]);
        assert_eq!(share(&[0, 1, 2, 3, 4], 1, 2), [2, 3, 4]);
        assert_eq!(share(&[7], 1, 2), [7]);
        assert!(share(&[], 0, 2).is_empty());
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused() {
        std::thread::spawn(|| {
            assert!(stay_on(&[]).is_ok());
            assert!(stay_on(&[100_000]).is_err());
        })
        .join()
        .ok();
    }
}
