//! Where something comes more often than elsewhere, in lines: what is true of the very same hosts is one line.

use crate::{
    api::now,
    dashboard::show::{ago, escaped},
};
use protocol::reason::Reason;
use service::fleet::Corner;

/// A corner with what its code means.
pub(super) struct Line {
    pub(super) corner: Corner,
    pub(super) link: String,
    pub(super) means: &'static str,
    pub(super) since: String,
    /// Other facts that the same hosts share, each with its list.
    pub(super) also: Vec<(String, String)>,
}

/// The first lines of corners that are ranked.
pub(super) fn lines(corners: Vec<Corner>, most: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for corner in corners {
        let same = |line: &&mut Line| (line.corner.code == corner.code) && (line.corner.cases, line.corner.of) == (corner.cases, corner.of);
        match lines.iter_mut().find(same) {
            // The shortest word for them stands first, whatever order they came in.
            Some(line) if (corner.fact.len(), &corner.fact) < (line.corner.fact.len(), &line.corner.fact) => {
                let before = std::mem::replace(&mut line.link, link(&corner));
                line.also.push((std::mem::replace(&mut line.corner, corner).fact, before));
            }
            Some(line) => line.also.push((corner.fact.clone(), link(&corner))),
            None => lines.push(line(corner)),
        }
    }
    lines.truncate(most);
    lines.iter_mut().for_each(|line| line.also.sort());
    lines
}

fn link(corner: &Corner) -> String {
    format!("/hosts?q={}", escaped(&corner.filter))
}

fn line(corner: Corner) -> Line {
    Line {
        link: link(&corner),
        means: Reason::from_code(&corner.code).map_or("", Reason::summary),
        since: ago(corner.since, now()),
        also: Vec::new(),
        corner,
    }
}
