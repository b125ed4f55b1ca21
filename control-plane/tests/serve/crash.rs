//! What was answered is on record, whatever became of the process that answered.

use crate::{
    rig::Domain,
    traffic::{is_on_record, killed},
};

#[test]
fn killed_fifty_times_under_load_it_has_answered_nothing_that_is_not_on_record() {
    let domain = Domain::new();
    let answered = killed(&domain, 50);
    assert!(answered.len() > 100, "only {} credentials were answered", answered.len());
    is_on_record(&domain, &answered);
}
