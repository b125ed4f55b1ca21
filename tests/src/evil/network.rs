//! A network with nothing in it: a namespace with a loopback of its own, and an `/etc` of its own for who reads it.

#![expect(unsafe_code, reason = "namespaces, mounts and interface flags have no safe interface")]

use std::ffi::CString;
use std::io::Error;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::null;

/// Does some work where the only network is an empty loopback and this folder is `/etc`. Threads and programs started by the
/// work are there too.
///
/// # Panics
/// When the work does, and where this user may not make namespaces.
pub fn in_private_network<T: Send>(etc: &Path, work: impl FnOnce() -> T + Send) -> T {
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            enter(etc);
            work()
        });
        worker.join()
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Only this thread moves.
fn enter(etc: &Path) {
    // SAFETY: a plain system call.
    let moved = unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) };
    let because = Error::last_os_error();
    assert!(moved == 0, "NOT TESTED: a private network needs root (CAP_SYS_ADMIN, for a network and a mount namespace), and unshare says: {because}");
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE);
    mount(Some(etc), Path::new("/etc"), libc::MS_BIND);
    raise_loopback();
}

fn mount(source: Option<&Path>, target: &Path, flags: libc::c_ulong) {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("a path");
    let (source, target) = (source.map(text), text(target));
    let from = source.as_ref().map_or(null(), |source| source.as_ptr());
    // SAFETY: both paths are C strings that live during the call; null stands for no type and no options.
    let mounted = unsafe { libc::mount(from, target.as_ptr(), null(), flags, null()) };
    assert_eq!(mounted, 0, "mount on {target:?}: {}", Error::last_os_error());
}

fn raise_loopback() {
    let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("small flags");
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let request = libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: up } };
    // SAFETY: the request lives during the call, and the socket is closed once.
    let raised = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let raised = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request);
        libc::close(socket);
        raised
    };
    assert_eq!(raised, 0, "the loopback cannot be raised: {}", Error::last_os_error());
}
