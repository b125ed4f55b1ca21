//! A Python that has the field's own implementation.

use std::{
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

/// Its interpreter; installed once for all tests.
pub(crate) fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python-tuf");
        let python = folder.join("bin/python");
        let run = |arguments: &[&str]| -> Option<Output> { Command::new(&python).args(arguments).output().ok() };
        let has = || run(&["-c", "import tuf.ngclient, securesystemslib, cryptography"]).is_some_and(|output| output.status.success());
        if !has() {
            let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output().expect("python3 is needed");
            assert!(made.status.success(), "a virtual environment of Python is needed (python3-venv): {made:?}");
            let installed = run(&["-m", "pip", "install", "--quiet", "tuf>=6,<8", "securesystemslib[crypto]>=1.2,<2"]);
            assert!(has(), "python-tuf could not be installed, so nothing was held against it: {installed:?}");
        }
        python
    })
}
