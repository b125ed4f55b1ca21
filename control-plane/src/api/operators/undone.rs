//! What a refusal says was not done, by what was asked.

use crate::api::{Reply, reply};
use protocol::refusal::Refusal;

/// What a refusal says until somebody knows what was asked.
pub(super) const UNNAMED: &str = "it was not done";

/// By the path below `/v1/operators/`.
const UNDONE: &[(&str, &str)] = &[
    ("whoami", "cannot say who you are"),
    ("status", "cannot show how the control plane is"),
    ("dashboard/link", "no link was made"),
    ("tokens", "cannot list tokens"),
    ("tokens/create", "no token was created"),
    ("tokens/revoke", "the token was not revoked"),
    ("hosts/find", "cannot list hosts"),
    ("hosts/register", "the host was not registered"),
    ("hosts/change", "no host was changed"),
    ("hosts/weird", "cannot list the hosts least like the others"),
    ("fleet/status", "cannot show how the fleet is"),
    ("fleet/why", "cannot say what failing hosts have in common"),
    ("fleet/hosts", "cannot list hosts"),
    ("fleet/map", "cannot draw the map"),
    ("fleet/host", "cannot show the host"),
    ("fleet/series", "cannot show runs over time"),
    ("fleet/complete", "cannot complete the filter"),
    ("rollout", "cannot show the rollout"),
    ("rollout/explain", "cannot explain the rollout"),
    ("rollout/start", "no rollout was started"),
    ("rollout/pause", "the rollout was not paused"),
    ("rollout/resume", "the rollout was not resumed"),
    ("rollout/promote", "the rollout was not promoted"),
    ("rollout/pull", "the release was not pulled"),
    ("policy", "cannot show the policy"),
    ("policy/history", "cannot list policies"),
    ("policy/check", "the policy did not pass the check"),
    ("policy/diff", "cannot say what the policy would change"),
    ("policy/explain", "cannot say what the policy means for the host"),
    ("policy/test", "the policy was not tested"),
    ("policy/apply", "the policy was not applied"),
    ("audit/find", "cannot list audit records"),
    ("audit/issued", "cannot list what the host was issued"),
    ("audit/export", "cannot export the audit log"),
    ("audit/checkpoints", "cannot export the audit log's checkpoints"),
    ("wave/start", "no wave was started"),
    ("wave/stop", "no wave was stopped"),
    ("drain", "the drain was not changed"),
    ("operators/ban", "the operator was neither banned nor let in"),
];

/// The refusal, with what was not done where it names nothing.
pub(super) fn named(refusal: Box<Reply>, path: &str) -> Box<Reply> {
    let is_unnamed = refusal.extensions().get().is_some_and(|refusal: &Refusal| refusal.error == UNNAMED);
    match of(path) {
        Some(undone) if is_unnamed => reply::headed(refusal, undone),
        _ => refusal,
    }
}

fn of(path: &str) -> Option<&'static str> {
    let asked = path.strip_prefix("/v1/operators/")?;
    UNDONE.iter().find(|(path, _)| *path == asked).map(|(_, undone)| *undone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_says_what_was_not_done() {
        for route in super::super::ROUTES.iter() {
            assert!(of(route.path).is_some(), "{}", route.path);
        }
        assert_eq!(UNDONE.len(), super::super::ROUTES.len());
    }
}
