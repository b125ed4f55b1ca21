//! What hosts ask about releases: which one to run, the metadata that vouches for it, and its bytes.

use super::{ControlPlane, Reply, Visitor, admission, reply};
use crate::releases::{METADATA_BYTES_MAX, vouched};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, header};
use protocol::release::{is_path, is_word};
use service::rollout::Asker;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

/// The most bytes of a target that go out at once.
const PIECE_BYTES_MAX: u64 = 262_144;

/// A question about releases.
pub(super) enum Question {
    /// Which one to run, of a host that runs `generation` on `platform`.
    Which {
        /// Such as `x86_64-linux`.
        platform: String,
        /// 0 for the package's copy.
        generation: i64,
    },
    /// A metadata file.
    Metadata(String),
    /// Some bytes of a target: the first and the last.
    Target(String, u64, u64),
}

/// The question that a path asks, if it is one.
pub(super) fn decode<B>(request: &Request<B>) -> Option<Question> {
    let path = request.uri().path();
    if path == "/v1/release" {
        let query = request.uri().query()?;
        let member = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let platform = member("platform").filter(|platform| is_word(platform))?.to_owned();
        return Some(Question::Which { platform, generation: member("generation")?.parse().ok()? });
    }
    if let Some(name) = path.strip_prefix("/v1/releases/metadata/").filter(|name| is_word(name)) {
        return Some(Question::Metadata(name.to_owned()));
    }
    let name = path.strip_prefix("/v1/releases/targets/").filter(|name| is_path(name))?;
    let (first, last) = range(request)?;
    Some(Question::Target(name.to_owned(), first, last))
}

/// A single range with both its ends (RFC 9110 section 14.2); none is the beginning.
fn range<B>(request: &Request<B>) -> Option<(u64, u64)> {
    let Some(value) = request.headers().get(header::RANGE) else { return Some((0, PIECE_BYTES_MAX - 1)) };
    let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| (first, last.min(first.saturating_add(PIECE_BYTES_MAX - 1))))
}

/// Answers one.
pub(super) async fn answer(plane: &Arc<ControlPlane>, visitor: &Visitor, question: Question, now: i64) -> Result<Reply, Box<Reply>> {
    let guest = admission::admit(plane, visitor, now)?;
    match question {
        Question::Which { platform, generation } => {
            // Nothing is offered here before it is vouched for, and nothing that a mirror has yet to bring.
            let interval = plane.release_rules.interval(plane.policy.load().lifetime_seconds_max());
            let asker = Asker { host: guest.id.host(), labels: &guest.labels, platform: &platform, generation, interval };
            let mut assignment = plane.in_force.load().assign(&plane.offered.load().catalog, &plane.release_rules, &asker, now);
            assignment.target = assignment.target.filter(|path| plane.mirror.as_ref().is_none_or(|mirror| mirror.has(path)));
            Ok(reply::json(assignment.to_json()))
        }
        Question::Metadata(name) => metadata(plane, name).await,
        Question::Target(name, first, last) => {
            let mirrored = plane.mirror.as_ref().map(|mirror| mirror.kept(&name));
            target([Some(plane.releases.join("targets").join(name)), mirrored], first, last).await
        }
    }
}

async fn metadata(plane: &Arc<ControlPlane>, name: String) -> Result<Reply, Box<Reply>> {
    let vouched = vouched(plane);
    let ours = vouched.filter(|vouched| name == "timestamp.json" || name == format!("{}.snapshot.json", vouched.version));
    if let Some(vouched) = ours {
        return Ok(reply::json(if name == "timestamp.json" { vouched.timestamp } else { vouched.snapshot }));
    }
    if !plane.offered.load().has(&name) {
        return Err(Box::new(reply::nothing_there()));
    }
    let path = plane.releases.join("metadata").join(name);
    let bytes = blocking(move || crate::files::read_bounded(&path, METADATA_BYTES_MAX).ok()).await;
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(reply::json).ok_or_else(|| Box::new(reply::nothing_there()))
}

async fn target(places: [Option<PathBuf>; 2], first: u64, last: u64) -> Result<Reply, Box<Reply>> {
    let read = move || -> Option<(Vec<u8>, u64)> {
        let mut file = places.into_iter().flatten().find_map(|path| File::open(path).ok())?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        file.seek(SeekFrom::Start(first)).ok()?;
        let mut bytes = Vec::new();
        file.take(last - first + 1).read_to_end(&mut bytes).ok()?;
        Some((bytes, length))
    };
    let (bytes, length) = blocking(read).await.ok_or_else(|| Box::new(reply::nothing_there()))?;
    if bytes.is_empty() {
        let words = ["the request was refused", "the file ends before this range", "ask for bytes that it has"];
        return Err(Box::new(reply::refuse(StatusCode::RANGE_NOT_SATISFIABLE, "request.range", words)));
    }
    let end = first + bytes.len() as u64 - 1;
    let reply = Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_RANGE, format!("bytes {first}-{end}/{length}"))
        .body(Full::new(Bytes::from(bytes)));
    reply.map_err(|_| Box::new(reply::nothing_there()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok().flatten()
}
