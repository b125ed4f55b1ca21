//! Tables of cases: each row has a name, all run side by side, and every row that fails is printed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows that run at once: most of them wait for a deadline, so there may be more than processors.
const AT_ONCE: usize = 32;

/// Checks every row; fails with the names and words of all that do not hold.
///
/// # Panics
/// When a row does.
pub fn check<T: Sync>(rows: &[(&str, T)], check: impl Fn(&T) + Sync) {
    assert!(!rows.is_empty(), "a table without rows proves nothing");
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(rows.len()) {
            scope.spawn(|| {
                while let Some((name, row)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(row))) {
                        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                        failed.lock().expect("no row panics here").push(format!("row '{name}': {}", words.unwrap_or_default()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no row panics here");
    assert!(failed.is_empty(), "{} of {} rows failed\n{}", failed.len(), rows.len(), failed.join("\n"));
}
