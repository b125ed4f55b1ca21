//! Files and directories by descriptor: nothing here follows a symbolic link, and a replaced file is whole or untouched.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// A directory that was reached without a symbolic link.
pub(crate) struct Directory(OwnedFd);

/// How a file is to look once it is in place.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) mode: u32,
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) keep_previous: bool,
    /// Whether it must be on the disk before it is in place; without, a power cut may leave a torn file behind.
    pub(crate) durable: bool,
}

/// What a new file's mode is before it is asked for another; the process's mask takes nothing from it.
const CREATED_MODE: u32 = 0o600;

/// Opens a file anywhere for reading.
pub(crate) fn open_to_read(path: &str) -> io::Result<File> {
    // A pipe that nobody writes to must not hold the run.
    open_at(libc::AT_FDCWD, &CString::new(path)?, libc::O_RDONLY | libc::O_NONBLOCK).map(File::from)
}

/// Whether this process may run the program at a path.
pub(crate) fn may_run(path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    // SAFETY: a C string.
    done(unsafe { libc::access(path.as_ptr(), libc::X_OK) })
}

/// Whether there is something at a path.
pub(crate) fn exists(path: &str) -> bool {
    // SAFETY: a C string.
    CString::new(path).is_ok_and(|path| unsafe { libc::access(path.as_ptr(), libc::F_OK) } == 0)
}

/// What kind of file system a path is on, by its magic (statfs(2)).
pub(crate) fn system(path: &str) -> Option<&'static str> {
    let path = CString::new(path).ok()?;
    // SAFETY: all of the structure's members are numbers.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a C string, and the kernel writes into the local.
    done(unsafe { libc::statfs(path.as_ptr(), &raw mut about) }).ok()?;
    let magic = u32::try_from(about.f_type).unwrap_or(0);
    Some(MAGICS.iter().find(|(known, _)| *known == magic).map_or("other", |(_, name)| name))
}

const MAGICS: [(u32, &str); 8] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0x2fc1_2fc1, "zfs"),
    (0x5265_4973, "reiserfs"),
];

/// Where a symbolic link leads.
pub(crate) fn read_link(path: &str) -> io::Result<String> {
    let path = CString::new(path)?;
    let mut target = [0_u8; 256];
    // SAFETY: a C string, and a buffer of the length given.
    let length = unsafe { libc::readlink(path.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    String::from_utf8(target.get(..length).unwrap_or_default().to_vec()).map_err(|_| io::ErrorKind::InvalidData.into())
}

impl Directory {
    /// Opens an absolute path; by openat2 where the kernel has it (Linux 5.6), else part by part.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        match open_without_links(path) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EACCES)) => Self::walk(path),
            other => other.map(Self),
        }
    }

    fn walk(path: &str) -> io::Result<Self> {
        let mut directory = open_at(libc::AT_FDCWD, c"/", libc::O_RDONLY | libc::O_DIRECTORY)?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let part = CString::new(part)?;
            let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
            let at = directory.as_raw_fd();
            directory = match open_at(at, &part, libc::O_RDONLY | flags) {
                Err(error) if error.raw_os_error() == Some(libc::EACCES) => open_at(at, &part, libc::O_PATH | flags)?,
                Err(error) if error.raw_os_error() == Some(libc::ENOTDIR) && is_symlink(at, &part) => {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                other => other?,
            };
        }
        Ok(Self(directory))
    }

    /// Opens it, making the last part if it is not there.
    pub(crate) fn open_or_make(path: &str, mode: u32) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (parent, name) = path.rsplit_once('/').ok_or(io::ErrorKind::InvalidInput)?;
                Self::open(parent)?.make(name, mode)?;
                Self::open(path)
            }
            other => other,
        }
    }

    /// Makes a directory inside.
    pub(crate) fn make(&self, name: &str, mode: u32) -> io::Result<()> {
        let name = CString::new(name)?;
        // SAFETY: the descriptor is open and the name a C string.
        done(unsafe { libc::mkdirat(self.0.as_raw_fd(), name.as_ptr(), mode) })
    }

    /// Gives the directory itself to a user and group.
    pub(crate) fn give_to(&self, user: u32, group: u32) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        done(unsafe { libc::fchown(self.0.as_raw_fd(), user, group) })
    }

    /// Opens a file inside for reading; a symbolic link or a pipe is refused or does not block.
    pub(crate) fn read(&self, name: &str) -> io::Result<File> {
        let name = CString::new(name)?;
        open_at(self.0.as_raw_fd(), &name, libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK).map(File::from)
    }

    /// Puts bytes in place of a file: O_EXCL temporary, owner, mode, fsync, rename, fsync of the directory.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8], look: Look) -> io::Result<()> {
        let fresh = CString::new(format!(".{name}.pinnace-new"))?;
        let written = self.write_new(&fresh, bytes, look).and_then(|()| {
            if look.keep_previous {
                self.keep_previous(name);
            }
            self.rename(&fresh, &CString::new(name)?)
        });
        if written.is_err() {
            self.unlink(&fresh);
            return written;
        }
        if look.durable { self.sync() } else { Ok(()) }
    }

    /// Puts a symbolic link to a sibling in place of `name`.
    pub(crate) fn replace_link(&self, name: &str, sibling: &str) -> io::Result<()> {
        let fresh = CString::new(format!(".{name}.pinnace-new"))?;
        let sibling = CString::new(sibling)?;
        self.unlink(&fresh);
        // SAFETY: open descriptor, C strings.
        done(unsafe { libc::symlinkat(sibling.as_ptr(), self.0.as_raw_fd(), fresh.as_ptr()) })?;
        self.rename(&fresh, &CString::new(name)?).inspect_err(|_| self.unlink(&fresh))?;
        self.sync()
    }

    /// Opens a file inside for writing at its end, making it if it is not there.
    pub(crate) fn append(&self, name: &str) -> io::Result<File> {
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_NOFOLLOW;
        open_at(self.0.as_raw_fd(), &CString::new(name)?, flags).map(File::from)
    }

    /// Gives a written file its mode and its name, with all of it on the disk.
    pub(crate) fn commit(&self, file: &File, from: &str, to: &str, mode: u32) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        done(unsafe { libc::fchmod(file.as_raw_fd(), mode) })?;
        file.sync_all()?;
        self.rename(&CString::new(from)?, &CString::new(to)?)?;
        self.sync()
    }

    /// Removes an empty directory inside, best effort.
    pub(crate) fn remove_folder(&self, name: &str) {
        if let Ok(name) = CString::new(name) {
            // SAFETY: open descriptor, C string.
            unsafe { libc::unlinkat(self.0.as_raw_fd(), name.as_ptr(), libc::AT_REMOVEDIR) };
        }
    }

    /// Removes a file inside, best effort.
    pub(crate) fn remove(&self, name: &str) {
        if let Ok(name) = CString::new(name) {
            self.unlink(&name);
        }
    }

    /// Renames inside the directory, best effort.
    pub(crate) fn set_aside(&self, name: &str) {
        if let (Ok(from), Ok(to)) = (CString::new(name), CString::new(format!("{name}.corrupt"))) {
            let _ = self.rename(&from, &to);
        }
    }

    /// Takes the directory for this process alone; the kernel lets go of it when the process ends, however it ends.
    pub(crate) fn lock(&self) -> io::Result<bool> {
        // SAFETY: the descriptor is open.
        match done(unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn write_new(&self, name: &CStr, bytes: &[u8], look: Look) -> io::Result<()> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let file = match open_at(self.0.as_raw_fd(), name, flags) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.unlink(name);
                open_at(self.0.as_raw_fd(), name, flags)
            }
            other => other,
        }?;
        let mut file = File::from(file);
        if let Some((user, group)) = look.owner {
            // SAFETY: the descriptor is open.
            done(unsafe { libc::fchown(file.as_raw_fd(), user, group) })?;
        }
        if look.mode != CREATED_MODE || look.owner.is_some() {
            // SAFETY: the descriptor is open.
            done(unsafe { libc::fchmod(file.as_raw_fd(), look.mode) })?;
        }
        file.write_all(bytes)?;
        if look.durable { file.sync_all() } else { Ok(()) }
    }

    /// Keeps what is in place under another name; that it cannot be kept is no loss, and a link that was planted is not kept.
    fn keep_previous(&self, name: &str) {
        let (Ok(current), Ok(previous)) = (CString::new(name), CString::new(format!(".{name}.pinnace-previous"))) else { return };
        let at = self.0.as_raw_fd();
        // SAFETY: open descriptor, C strings.
        let link = || done(unsafe { libc::linkat(at, current.as_ptr(), at, previous.as_ptr(), 0) });
        let linked = match link() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.unlink(&previous);
                link()
            }
            other => other,
        };
        if linked.is_ok() && is_symlink(at, &previous) {
            self.unlink(&previous);
        }
    }

    fn rename(&self, from: &CStr, to: &CStr) -> io::Result<()> {
        let at = self.0.as_raw_fd();
        // SAFETY: open descriptor, C strings.
        done(unsafe { libc::renameat(at, from.as_ptr(), at, to.as_ptr()) })
    }

    fn unlink(&self, name: &CStr) {
        // SAFETY: open descriptor, C string.
        unsafe { libc::unlinkat(self.0.as_raw_fd(), name.as_ptr(), 0) };
    }

    fn sync(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        match done(unsafe { libc::fsync(self.0.as_raw_fd()) }) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL)) => Ok(()),
            other => other,
        }
    }
}

fn open_without_links(path: &str) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: all of the structure's members are numbers.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::try_from(libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC).map_err(io::Error::other)?;
    how.resolve = libc::RESOLVE_NO_SYMLINKS;
    // SAFETY: a C string, and a structure of the length given.
    let opened = unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), &raw const how, size_of_val(&how)) };
    match i32::try_from(opened) {
        // SAFETY: the descriptor is new and ours.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn open_at(at: i32, name: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: a C string and constants; the mode is only used by O_CREAT.
    let descriptor = unsafe { libc::openat(at, name.as_ptr(), flags | libc::O_CLOEXEC, CREATED_MODE) };
    // SAFETY: the descriptor is new and ours.
    if descriptor == -1 { Err(io::Error::last_os_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }) }
}

fn is_symlink(at: i32, name: &CStr) -> bool {
    let mut target = [0_u8; 1];
    // SAFETY: at most one byte is written into the local; only links can be read so.
    unsafe { libc::readlinkat(at, name.as_ptr(), target.as_mut_ptr().cast(), 1) != -1 }
}

fn done(result: i32) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
