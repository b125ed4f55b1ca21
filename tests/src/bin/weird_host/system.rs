//! The few places that speak to the kernel; everything above them is safe code.

#![expect(unsafe_code, reason = "ptrace, fork and seccomp have no safe interface")]

use std::ffi::{CString, OsString};
use std::io::Error;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr::null_mut;

use libc::{c_int, c_long, c_ulong, c_void, pid_t};

use crate::options::Options;

/// The last system call number of Linux 3.10 on x86_64: finit_module.
pub(crate) const LAST_CALL_OF_3_10: u32 = 313;
/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const ARCH_X86_64: u32 = 0xc000_003e;
/// `PTRACE_GET_SYSCALL_INFO` of linux/ptrace.h (Linux 5.3).
const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
const AUXV_END: u64 = 0;
const AUXV_IGNORE: u64 = 1;
const AUXV_VDSO: u64 = 33;

/// Where a tracee stopped.
pub(crate) enum Stop {
    /// About to make call `number`.
    Entry { number: u64, arguments: [u64; 6] },
    /// Back from it with `result`.
    Exit { result: i64 },
    /// Neither.
    Other,
}

/// Forks the command, stopped before its exec, ready to be traced. Returns its process id.
pub(crate) fn spawn(options: &Options) -> Result<pid_t, String> {
    let words: Vec<CString> = options.command.iter().map(c_string).collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: this process has one thread, so the child may do anything up to its exec.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(failure("fork"));
    }
    if pid == 0 {
        become_command(options, &pointers);
    }
    Ok(pid)
}

fn become_command(options: &Options, words: &[*const libc::c_char]) -> ! {
    let arguments = if options.argc_zero { words.get(words.len() - 1..).unwrap_or(words) } else { words };
    // SAFETY: plain system calls; every pointer is to a live local, and `words` ends with a null pointer.
    unsafe {
        libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<c_void>(), null_mut::<c_void>());
        libc::raise(libc::SIGSTOP);
        if let Some(files) = options.files_max {
            let limit = libc::rlimit { rlim_cur: files, rlim_max: files };
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
        if options.old_kernel {
            install_filter();
        }
        if let Some(bytes) = options.address_space_bytes {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            libc::setrlimit(libc::RLIMIT_AS, &raw const limit);
        }
        if options.argc_zero {
            libc::execv(words.first().copied().unwrap_or(std::ptr::null()), arguments.as_ptr());
        } else {
            libc::execvp(words.first().copied().unwrap_or(std::ptr::null()), arguments.as_ptr());
        }
        libc::_exit(127);
    }
}

/// Answers ENOSYS to every call above Linux 3.10's last.
fn install_filter() {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 4),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, 0, ARCH_X86_64),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 0, 1, LAST_CALL_OF_3_10),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 7, filter: program.as_mut_ptr() };
    // SAFETY: `filter` points to `program`, which lives until after the call.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter)
    };
    if refused != 0 {
        // SAFETY: leaves the forked child at once.
        unsafe { libc::_exit(126) };
    }
}

/// Waits for any tracee: its process id and raw status.
pub(crate) fn wait() -> Result<(pid_t, c_int), String> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a live local.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        if pid > 0 {
            return Ok((pid, status));
        }
        if Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return Err(failure("waitpid"));
        }
    }
}

/// Asks to be told about system calls and children, and that no tracee outlives this process.
pub(crate) fn follow(pid: pid_t) -> Result<(), String> {
    let wanted = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    let wanted = usize::try_from(wanted).unwrap_or(0);
    trace(libc::PTRACE_SETOPTIONS, pid, 0, wanted).map(drop)
}

/// Lets a tracee go on to its next system call, with a signal or 0. One that died meanwhile is no error.
pub(crate) fn resume(pid: pid_t, signal: c_int) {
    drop(trace(libc::PTRACE_SYSCALL, pid, 0, usize::try_from(signal).unwrap_or(0)));
}

/// Kills a process.
pub(crate) fn kill(pid: pid_t) {
    // SAFETY: a plain system call on a process this one started.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Where in a system call the tracee is.
pub(crate) fn inspect(pid: pid_t) -> Stop {
    // struct ptrace_syscall_info: op, arch, instruction and stack pointer, then the call or its result.
    let mut words = [0_u64; 11];
    let size = size_of_val(&words);
    if trace(GET_SYSCALL_INFO, pid, size, words.as_mut_ptr() as usize).is_err() {
        return Stop::Other;
    }
    let [operation, _, _, first, a, b, c, d, e, f, _] = words;
    match operation & 0xff {
        1 => Stop::Entry { number: first, arguments: [a, b, c, d, e, f] },
        2 => Stop::Exit { result: first.cast_signed() },
        _ => Stop::Other,
    }
}

/// At an entry: makes the kernel skip this call.
pub(crate) fn skip_call(pid: pid_t) {
    change_registers(pid, |registers| registers.orig_rax = u64::MAX);
}

/// At an exit: the result that the tracee sees.
pub(crate) fn set_result(pid: pid_t, result: i64) {
    change_registers(pid, |registers| registers.rax = result.cast_unsigned());
}

fn change_registers(pid: pid_t, change: impl FnOnce(&mut libc::user_regs_struct)) {
    // SAFETY: an all-zero user_regs_struct is valid; the kernel fills it.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let address = (&raw mut registers) as usize;
    if trace(libc::PTRACE_GETREGS, pid, 0, address).is_ok() {
        change(&mut registers);
        drop(trace(libc::PTRACE_SETREGS, pid, 0, address));
    }
}

/// After an exec: takes the vDSO out of the auxiliary vector, so that clocks are read by system call.
pub(crate) fn hide_vdso(pid: pid_t) {
    let mut stack = 0;
    change_registers(pid, |registers| stack = registers.rsp);
    let argc = peek(pid, stack);
    let mut at = stack + 8 * (argc + 2);
    while peek(pid, at) != 0 {
        at += 8;
    }
    at += 8;
    loop {
        match peek(pid, at) {
            AUXV_END => return,
            AUXV_VDSO => poke(pid, at, AUXV_IGNORE),
            _ => {}
        }
        at += 16;
    }
}

/// One word of the tracee's memory; 0 where there is none.
pub(crate) fn peek(pid: pid_t, address: u64) -> u64 {
    let mut word = 0_u64;
    let raw = libc::SYS_ptrace;
    // SAFETY: the raw system call writes one word to `word`; the address is the tracee's and checked by the kernel.
    let answer = unsafe { libc::syscall(raw, c_long::from(libc::PTRACE_PEEKDATA), c_long::from(pid), address, &raw mut word) };
    if answer < 0 { 0 } else { word }
}

/// Writes one word into the tracee's memory.
pub(crate) fn poke(pid: pid_t, address: u64, word: u64) {
    let (Ok(address), Ok(word)) = (usize::try_from(address), usize::try_from(word)) else { return };
    drop(trace(libc::PTRACE_POKEDATA, pid, address, word));
}

fn trace(request: libc::c_uint, pid: pid_t, address: usize, data: usize) -> Result<c_long, String> {
    // SAFETY: addresses are either the tracee's, checked by the kernel, or live locals of the callers in this file.
    let answer = unsafe { libc::ptrace(request, pid, address as *mut c_void, data as c_ulong) };
    if answer < 0 { Err(failure("ptrace")) } else { Ok(answer) }
}

fn c_string(word: &OsString) -> Result<CString, String> {
    CString::new(word.as_bytes()).map_err(|_| "an argument holds a zero byte".to_owned())
}

fn failure(what: &str) -> String {
    format!("{what}: {}", Error::last_os_error())
}
