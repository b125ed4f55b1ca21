//! What a refusal means: the table's reason for an answer that is no 200.

use protocol::reason::Reason;

/// The reason for a status and the code in the answer's body; a code that is not known here leaves the status to speak.
#[must_use]
pub fn reason_of(status: u16, code: &str) -> Reason {
    match code {
        "identity.banned" | "identity.quarantined" | "identity.evicted" => Reason::HostRefused,
        _ => CODES.into_iter().find(|reason| reason.code() == code).unwrap_or_else(|| of_status(status)),
    }
}

/// Whether the control plane would take a host back whose certificate it answered so.
#[must_use]
pub fn may_come_back(reason: Reason) -> bool {
    matches!(reason, Reason::IdentityExpired | Reason::IdentityForeign)
}

/// The refusals that have a reason of their own, under the same word.
const CODES: [Reason; 9] = [
    Reason::IdentityExpired,
    Reason::IdentityForeign,
    Reason::EnrollRefused,
    Reason::EnrollTokenInvalid,
    Reason::AlreadyEnrolled,
    Reason::RecoveryWaiting,
    Reason::RecoveryRefused,
    Reason::CredentialKeyNeeded,
    Reason::CredentialKeyNotTaken,
];

fn of_status(status: u16) -> Reason {
    match status {
        300..=399 => Reason::HttpRedirect,
        401 => Reason::HttpUnauthorized,
        403 => Reason::HttpForbidden,
        404 => Reason::HttpNotFound,
        429 => Reason::HttpThrottled,
        503 => Reason::HttpUnavailable,
        500..=599 => Reason::HttpServerError,
        _ => Reason::HttpStatus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_speak_before_the_status_and_unknown_ones_leave_it_to_it() {
        for reason in CODES {
            assert_eq!(reason_of(403, reason.code()), reason);
        }
        for code in ["identity.banned", "identity.quarantined", "identity.evicted"] {
            assert_eq!(reason_of(403, code), Reason::HostRefused);
        }
        assert_eq!(reason_of(401, "identity.none"), Reason::HttpUnauthorized);
        assert_eq!(reason_of(403, "policy.denied"), Reason::HttpForbidden);
        assert_eq!(reason_of(503, ""), Reason::HttpUnavailable);
        assert_eq!(reason_of(403, "ok"), Reason::HttpForbidden, "a refusal cannot speak the whole table");
    }
}
