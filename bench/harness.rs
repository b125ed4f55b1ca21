//! Starts programs and says what each cost. A line in: arguments separated by tabs, the program first. A line out:
//! `WALL_NS CPU_US PEAK_KB STATUS`.
//!
//! A program of its own, and a small one: the kernel counts a child's peak memory from the process that forked it, so a
//! large parent would hide a small child. The environment is empty, and the standard streams are /dev/null.

use std::{
    ffi::{CString, c_char, c_int, c_long},
    io::{self, BufRead, Write},
    ptr,
    time::Instant,
};

/// `struct rusage` of Linux where a long has 64 bits.
#[repr(C)]
#[derive(Default)]
struct Usage {
    user: [c_long; 2],
    system: [c_long; 2],
    peak_kb: c_long,
    rest: [c_long; 13],
}

unsafe extern "C" {
    fn fork() -> c_int;
    fn execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
    fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut Usage) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
}

fn main() {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<CString> = line.split('\t').filter_map(|word| CString::new(word).ok()).collect();
        let (wall, usage, status) = measure(&words);
        let micros = |time: [c_long; 2]| time[0] * 1_000_000 + time[1];
        let _ = writeln!(out, "{wall} {} {} {status}", micros(usage.user) + micros(usage.system), usage.peak_kb);
        let _ = out.flush();
    }
}

fn measure(words: &[CString]) -> (u128, Usage, c_int) {
    let mut arguments: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    arguments.push(ptr::null());
    let environment = [ptr::null()];
    let (mut usage, mut status) = (Usage::default(), 0);
    let started = Instant::now();
    // SAFETY: one thread; between fork and execve the child makes system calls only, on memory prepared before.
    unsafe {
        let child = fork();
        if child == 0 {
            let null = open(c"/dev/null".as_ptr(), 2);
            for stream in 0..3 {
                dup2(null, stream);
            }
            execve(arguments[0], arguments.as_ptr(), environment.as_ptr());
            _exit(127);
        }
        wait4(child, &mut status, 0, &mut usage);
    }
    (started.elapsed().as_nanos(), usage, status)
}
