//! The candidate's side: a run like any other, on a copy of the state, whose deliveries end in a folder beside it.

use protocol::site::{Delivery, Kind, Site};

/// Where deliveries are staged, below the state directory of an attempt.
pub(super) const STAGED: &str = "out";

/// Turns every delivery into a file or a directory of the stage; nothing else of a run may be felt outside it.
pub(crate) fn redirect(site: &mut Site) {
    site.update_root = None;
    for credential in &mut site.credentials {
        for (place, delivery) in credential.deliveries.iter_mut().enumerate() {
            let path = format!("{}/{STAGED}/{}", site.state_dir, place_of(&credential.name, place));
            let kind = if matches!(delivery.kind, Kind::Directory { .. }) { Kind::Directory { path } } else { Kind::File { path } };
            *delivery = Delivery { kind, owner: None, mode: None, ..delivery.clone() };
        }
    }
}

/// The name of a credential's delivery in the stage.
pub(super) fn place_of(credential: &str, place: usize) -> String {
    format!("{credential}-{place}")
}
