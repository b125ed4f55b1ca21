//! Pythons that have what others made: the field's own implementation, and whatever else PyPI brings.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// An interpreter with python-tuf; installed once for all tests.
pub(crate) fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = environment("python-tuf");
        let python = folder.join("bin/python");
        let has = || Command::new(&python).args(["-c", "import tuf.ngclient, securesystemslib, cryptography"]).output();
        if !has().is_ok_and(|output| output.status.success()) {
            installed(&folder, &["tuf>=6,<8", "securesystemslib[crypto]>=1.2,<2"]);
            assert!(has().unwrap().status.success(), "python-tuf is not what it was expected to be: {:?}", has());
        }
        python
    })
}

/// Where an environment of that name lies, whether it is there or not.
pub(crate) fn environment(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Makes an environment afresh, with these packages.
pub(crate) fn installed(folder: &Path, packages: &[&str]) {
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder).output().expect("python3 is needed");
    assert!(made.status.success(), "a virtual environment of Python is needed (python3-venv): {made:?}");
    let pip = Command::new(folder.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(packages).output().unwrap();
    assert!(pip.status.success(), "{packages:?} could not be installed, so nothing was held against them: {pip:?}");
}
