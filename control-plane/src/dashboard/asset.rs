//! What pages are made with: in this program, under names that change with their bytes.

use super::Content;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response,
    header::{self, HeaderValue},
};
use std::sync::LazyLock;

/// Files of ours, and of others under their licences (`control-plane/assets/*.LICENSE.txt`).
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    vec![
        asset("pinnace.css", STYLE, include_bytes!("../../assets/pinnace.css")),
        asset("pinnace.js", SCRIPT, include_bytes!("../../assets/pinnace.js")),
        asset("htmx.js", SCRIPT, include_bytes!("../../assets/htmx-2.0.11.min.js")),
        asset("uplot.js", SCRIPT, include_bytes!("../../assets/uplot-1.6.32.min.js")),
        asset("uplot.css", STYLE, include_bytes!("../../assets/uplot-1.6.32.min.css")),
        asset("pinnace.svg", "image/svg+xml", include_bytes!("../../assets/pinnace.svg")),
    ]
});

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    path: String,
}

fn asset(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    use aws_lc_rs::digest::{SHA256, digest};
    let hash = protocol::hex_encode(digest(&SHA256, bytes).as_ref().get(..8).unwrap_or_default());
    Asset { name, content_type, bytes, path: format!("/assets/{hash}/{name}") }
}

/// Where a file is served.
pub(super) fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| &asset.path)
}

/// A file; browsers keep it for good, because other bytes have another path.
pub(super) fn answer(path: &str) -> Option<Response<Content>> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let mut reply = Response::new(Content::Left(Full::new(Bytes::from_static(asset.bytes))));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Some(reply)
}
