//! Runs a program and does something to it at its N-th system call, whichever thread makes it.
//!
//! `crash_inject OPTIONS -- PROGRAM ARGUMENT…`
//!
//! | option | does |
//! |---|---|
//! | `--at N` | the system call, from 1; without it they are only counted |
//! | `--kill` | SIGKILL before the call is carried out |
//! | `--errno E` | the call is not carried out and gives this error number |
//! | `--sticky` | so does every call of that kind after it that could give this error |
//! | `--run COMMAND` | runs a shell command while the call is held up, then SIGKILL |
//! | `--locks` | counts only the calls that take or give back a lock of a range; else those are not counted |
//! | `--report FILE` | where to write what was counted, as JSON; `FILE.pid` holds the program's process id |
//!
//! `strace -e inject=…:when=N` does nearly this, but counts in each thread apart: in a program that hands its work to
//! a pool of threads most calls are out of its reach. It ends as the program does: with its exit code, or with 128 and
//! the number of the signal.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a tool of the tests, outside the walls")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::process::{Command, ExitCode};
use std::{env, fs};

use nix::libc::user_regs_struct;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// System calls on files, sockets and pipes, by their numbers on x86-64.
const CALLS: &[(u64, &str)] = &[
    (0, "read"),
    (1, "write"),
    (2, "open"),
    (3, "close"),
    (4, "stat"),
    (5, "fstat"),
    (6, "lstat"),
    (8, "lseek"),
    (16, "ioctl"),
    (17, "pread64"),
    (18, "pwrite64"),
    (19, "readv"),
    (20, "writev"),
    (21, "access"),
    (41, "socket"),
    (42, "connect"),
    (44, "sendto"),
    (45, "recvfrom"),
    (46, "sendmsg"),
    (47, "recvmsg"),
    (54, "setsockopt"),
    (55, "getsockopt"),
    (72, "fcntl"),
    (73, "flock"),
    (74, "fsync"),
    (75, "fdatasync"),
    (77, "ftruncate"),
    (79, "getcwd"),
    (82, "rename"),
    (83, "mkdir"),
    (87, "unlink"),
    (89, "readlink"),
    (91, "fchmod"),
    (93, "fchown"),
    (137, "statfs"),
    (138, "fstatfs"),
    (217, "getdents64"),
    (233, "epoll_ctl"),
    (254, "inotify_add_watch"),
    (257, "openat"),
    (258, "mkdirat"),
    (262, "newfstatat"),
    (263, "unlinkat"),
    (264, "renameat"),
    (267, "readlinkat"),
    (268, "fchmodat"),
    (269, "faccessat"),
    (280, "utimensat"),
    (285, "fallocate"),
    (290, "eventfd2"),
    (291, "epoll_create1"),
    (294, "inotify_init1"),
    (306, "syncfs"),
    (316, "renameat2"),
    (326, "copy_file_range"),
    (332, "statx"),
    (437, "openat2"),
    (439, "faccessat2"),
];

/// Calls that write: what a full disk or a read-only file system would refuse.
const WRITING: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "open",
    "openat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "syncfs",
    "utimensat",
    "fchmod",
    "fchmodat",
];

/// The commands of fcntl that lock ranges of a file.
const LOCKING: &[u64] = &[5, 6, 7, 36, 37, 38];

/// What happens at the call.
#[derive(Clone, Debug)]
enum Action {
    Count,
    Kill,
    Fail { errno: u64, sticky: bool },
    Run(String),
}

struct Plan {
    at: u64,
    action: Action,
    locks: bool,
    report: Option<String>,
    program: Vec<String>,
}

fn plan() -> Result<Plan, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (mut at, mut action, mut locks, mut sticky, mut report) = (0, Action::Count, false, false, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--at" => at = value()?.parse()?,
            "--kill" => action = Action::Kill,
            "--errno" => action = Action::Fail { errno: value()?.parse()?, sticky: false },
            "--sticky" => sticky = true,
            "--run" => action = Action::Run(value()?),
            "--locks" => locks = true,
            "--report" => report = Some(value()?),
            "--" => break,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    if let Action::Fail { sticky: fails_on, .. } = &mut action {
        *fails_on = sticky;
    }
    Ok(Plan { at, action, locks, report, program: arguments.collect() })
}

/// One program being traced.
struct Trace {
    plan: Plan,
    leader: Pid,
    names: HashMap<u64, &'static str>,
    /// The program proper has begun: what runs before is the shell that waits to be traced.
    begun: bool,
    seen: u64,
    locks: u64,
    counts: BTreeMap<&'static str, u64>,
    hit: Option<&'static str>,
    /// Calls that are held back and give an error instead.
    failing: HashMap<Pid, u64>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if !cfg!(target_arch = "x86_64") {
        return Err("system calls are known by their x86-64 numbers here".into());
    }
    let plan = plan()?;
    // The shell stops itself, so that it can be seized before it becomes the program.
    let stopped = ["-c", "kill -STOP $$; exec \"$@\"", "sh"];
    let child = Command::new("/bin/sh").args(stopped).args(&plan.program).spawn()?;
    let leader = Pid::from_raw(i32::try_from(child.id())?);
    waitpid(leader, Some(WaitPidFlag::WUNTRACED))?;
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).map_err(|error| format!("cannot trace (is ptrace allowed here?): {error}"))?;
    kill(leader, Signal::SIGCONT)?;
    if let Some(report) = &plan.report {
        fs::write(format!("{report}.pid"), leader.to_string())?;
    }
    let names = CALLS.iter().copied().collect();
    let mut trace = Trace {
        plan,
        leader,
        names,
        begun: false,
        seen: 0,
        locks: 0,
        counts: BTreeMap::new(),
        hit: None,
        failing: HashMap::new(),
    };
    let code = trace.follow()?;
    trace.report(code)?;
    Ok(ExitCode::from(code))
}

impl Trace {
    fn follow(&mut self) -> Result<u8, Box<dyn Error>> {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Exited(pid, code) if pid == self.leader => return Ok(code as u8),
                WaitStatus::Signaled(pid, signal, _) if pid == self.leader => return Ok(128 + signal as u8),
                WaitStatus::PtraceSyscall(pid) => {
                    self.at_call(pid)?;
                    resume(pid, None);
                }
                WaitStatus::PtraceEvent(pid, _, event) => {
                    self.begun |= event == nix::libc::PTRACE_EVENT_EXEC;
                    resume(pid, None);
                }
                WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal)),
                _ => {}
            }
        }
    }

    /// A thread enters a system call, or leaves it.
    fn at_call(&mut self, pid: Pid) -> Result<(), Box<dyn Error>> {
        // A thread that has just been killed is gone.
        let Ok(info) = ptrace::syscall_info(pid) else { return Ok(()) };
        if info.op == nix::libc::PTRACE_SYSCALL_INFO_EXIT {
            if let Some(errno) = self.failing.remove(&pid)
                && let Ok(mut registers) = ptrace::getregs(pid)
            {
                registers.rax = errno.wrapping_neg();
                let _ = ptrace::setregs(pid, registers);
            }
            return Ok(());
        }
        let Ok(registers) = ptrace::getregs(pid) else { return Ok(()) };
        let Some(name) = self.names.get(&registers.orig_rax).copied().filter(|_| self.begun) else { return Ok(()) };
        let locks = name == "fcntl" && LOCKING.contains(&registers.rsi);
        self.locks += u64::from(locks);
        if locks != self.plan.locks {
            return Ok(());
        }
        self.seen += 1;
        *self.counts.entry(name).or_default() += 1;
        match self.plan.action.clone() {
            _ if self.seen < self.plan.at || self.plan.at == 0 => {}
            Action::Fail { errno, sticky } => {
                let first = self.seen == self.plan.at && !is(pid, &registers, "anon_inode:[eventfd]");
                let socket = ["socket:", "pipe:", "anon_inode:"].iter().any(|kind| is(pid, &registers, kind));
                if first || (sticky && WRITING.contains(&name) && !socket) {
                    // What goes on may begin later: this call may be one that cannot fail.
                    if self.hit.is_none() {
                        self.hit(pid, name, &registers)?;
                    }
                    self.failing.insert(pid, errno);
                    ptrace::setregs(pid, user_regs_struct { orig_rax: u64::MAX, ..registers })?;
                }
            }
            _ if self.seen > self.plan.at => {}
            Action::Count => {}
            Action::Kill => {
                self.hit(pid, name, &registers)?;
                kill(self.leader, Signal::SIGKILL)?;
            }
            Action::Run(command) => {
                self.hit(pid, name, &registers)?;
                Command::new("/bin/sh").args(["-c", &command]).status()?;
                kill(self.leader, Signal::SIGKILL)?;
            }
        }
        Ok(())
    }

    /// Notes at once what is struck, for a program that never ends.
    fn hit(&mut self, pid: Pid, name: &'static str, registers: &user_regs_struct) -> Result<(), Box<dyn Error>> {
        self.hit = Some(name);
        let Some(path) = &self.plan.report else { return Ok(()) };
        let file = fs::read_link(format!("/proc/{pid}/fd/{}", registers.rdi as i32)).unwrap_or_default();
        Ok(fs::write(format!("{path}.hit"), format!("{name} {}", file.display()))?)
    }

    fn report(&self, code: u8) -> Result<(), Box<dyn Error>> {
        let Some(path) = &self.plan.report else { return Ok(()) };
        let (seen, locks) = (self.seen, self.locks);
        let report =
            serde_json::json!({ "seen": seen, "locks": locks, "hit": self.hit, "code": code, "counts": self.counts });
        Ok(fs::write(path, report.to_string())?)
    }
}

/// Whether the call's first argument is a descriptor of this kind. A disk that is full does not stop a socket, a pipe
/// or a counter for events; and a write to such a counter cannot fail at all.
fn is(pid: Pid, registers: &user_regs_struct, kind: &str) -> bool {
    let target = fs::read_link(format!("/proc/{pid}/fd/{}", registers.rdi as i32));
    target.is_ok_and(|target| target.to_string_lossy().starts_with(kind))
}

/// The thread may have been killed meanwhile.
fn resume(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(pid, signal);
}
