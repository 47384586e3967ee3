//! A guard whose model thread is gone: killed in the real process from outside, without any of its destructors.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::io::{Error, ErrorKind, Write as _, stderr};
use std::mem::MaybeUninit;
use std::ptr::{null_mut, without_provenance_mut};

use commutator_integration::client::{CHAT, Client, chat};
use libc::{c_int, c_void, pid_t};

use crate::support::Stage;

/// The instruction `syscall`.
const SYSCALL: i64 = 0x050f;

/// The threads of a process that have this name.
fn threads(process: u32, name: &str) -> Vec<pid_t> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name))
        .map(|task| task.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect()
}

/// A request to the kernel about a thread; `data` goes where `ptrace(2)` has it.
fn ptrace(request: u32, thread: pid_t, address: u64, data: *mut c_void) -> Result<i64, Error> {
    let address: *mut c_void = without_provenance_mut(usize::try_from(address).unwrap());
    // SAFETY: of the requests used here only PTRACE_GETREGS writes to this process's memory, to the registers that
    // `data` then points to.
    let answer = unsafe { libc::ptrace(request, thread, address, data) };
    let error = Error::last_os_error();
    // A word that was read may be -1 as well, but not the one that is looked for here.
    if answer == -1 { Err(error) } else { Ok(answer) }
}

/// Waits for the next thing that happens to a traced thread.
fn wait(thread: pid_t) -> c_int {
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    assert_eq!(waited, thread, "{}", Error::last_os_error());
    status
}

/// Lets an idle thread of a child call `exit` where it waits. `false` where this system lets nobody trace a child.
fn kill(thread: pid_t) -> bool {
    match ptrace(libc::PTRACE_SEIZE, thread, 0, null_mut()) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::Unsupported
            ) =>
        {
            return false;
        }
        seized => seized.unwrap(),
    };
    ptrace(libc::PTRACE_INTERRUPT, thread, 0, null_mut()).unwrap();
    assert!(libc::WIFSTOPPED(wait(thread)));
    let mut registers = MaybeUninit::<libc::user_regs_struct>::uninit();
    ptrace(
        libc::PTRACE_GETREGS,
        thread,
        0,
        registers.as_mut_ptr().cast(),
    )
    .unwrap();
    // SAFETY: PTRACE_GETREGS has succeeded, so it has written all of them.
    let mut registers = unsafe { registers.assume_init() };
    let at = registers.rip - 2;
    let instruction = ptrace(libc::PTRACE_PEEKTEXT, thread, at, null_mut()).unwrap();
    assert_eq!(instruction & 0xffff, SYSCALL, "the thread is not waiting");
    registers.rip = at;
    // Of the calling thread only; a C library's `exit` calls `exit_group`.
    registers.rax = libc::SYS_exit.unsigned_abs();
    registers.rdi = 0;
    // Otherwise the kernel restarts the interrupted call instead.
    registers.orig_rax = u64::MAX;
    ptrace(libc::PTRACE_SETREGS, thread, 0, (&raw mut registers).cast()).unwrap();
    ptrace(libc::PTRACE_CONT, thread, 0, null_mut()).unwrap();
    assert!(libc::WIFEXITED(wait(thread)));
    true
}

#[tokio::test]
async fn a_guard_without_its_engine_says_what_on_error_says() {
    for (on_error, outcome) in [("deny", "denied"), ("allow", "skipped")] {
        let stage = Stage::top(&format!(
            "plugins: [{{jailbreak: {{timeout: 3s, on_error: {on_error}}}}}]"
        ))
        .await;
        let gateway = &stage.gateway;
        let mut client = Client::h1(gateway.addr()).await;
        let answer = client.post(CHAT, &chat("What is 2+2?")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.headers.get("x-vsr-response-warnings").is_none());

        let found = threads(gateway.pid(), "model-0");
        assert!(!found.is_empty(), "the process has no model thread");
        for thread in found {
            if !kill(thread) {
                // Past the test harness, which shows nothing of a test that passes.
                writeln!(
                    stderr(),
                    "\nSKIP: this system lets no process trace its child"
                )
                .unwrap();
                return;
            }
        }
        assert!(threads(gateway.pid(), "model-0").is_empty());

        let mut client = Client::h1(gateway.addr()).await;
        let answer = client
            .post(CHAT, &chat("What is the capital of Italy?"))
            .await;
        if on_error == "deny" {
            answer.is_error(503, "guard_unavailable");
            assert_eq!(stage.arrived(), 1, "requests that reached a frontend");
        } else {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("x-vsr-response-warnings"), "guard_skipped");
        }
        let labels = [("guard", "jailbreak"), ("outcome", outcome)];
        gateway
            .metric_reaches("guard_verdicts_total", &labels, 1.0)
            .await;
        // The process itself is well, and a new policy without guards needs no engine.
        let plain = crate::support::policy(&stage.frontends);
        assert_eq!(gateway.reload(plain.yaml()).await.status, 200);
        let mut client = Client::h1(gateway.addr()).await;
        let answer = client
            .post(CHAT, &chat("What is the capital of Spain?"))
            .await;
        assert_eq!(answer.header("x-vsr-response-path"), "upstream");
    }
}
