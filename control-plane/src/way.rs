//! The way to a server that the settings name: plain HTTP/1.1, over TLS where its URL says so. Nothing but the URL and the CA file
//! says where it leads: no proxy of the environment, no redirect, no CA of the machine.

use crate::{
    failure::{Code, Failure},
    files, tls,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{error::Error, path::Path, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

/// Where a server is, and how it is known.
pub(crate) struct Way {
    host: String,
    port: u16,
    /// As the URL has them, for `Host`.
    authority: String,
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// An answer that brings bytes.
pub(crate) struct Arrival {
    /// Whether it begins with the byte that was asked for; else it begins with the first.
    pub(crate) resumed: bool,
    body: Incoming,
    /// Drives the connection for as long as the answer is read.
    _connection: JoinSet<()>,
}

impl Way {
    /// From `http(s)://HOST[:PORT]/PREFIX`, to what the settings call by this name.
    pub(crate) fn new(what: &str, url: &str, ca: Option<&Path>) -> Result<Self, Failure> {
        let unusable = |because: &str| {
            Failure::new(
                Code::ConfigInvalid,
                format!("cannot use the {what} {url}"),
                because,
                "its URL in pinnaced.toml is http(s)://HOST[:PORT]/PREFIX",
            )
        };
        let uri: Uri = url.parse().map_err(|_| unusable("it is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(unusable("it is neither http nor https")),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(|| unusable("it names no host alone"))?;
        if uri.query().is_some() {
            return Err(unusable("it has a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match (secure, ca) {
            (false, None) => None,
            (false, Some(_)) => return Err(unusable("a CA is named, and it is not https")),
            (true, None) => return Err(unusable("it is https, and no CA is named")),
            (true, Some(ca)) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| unusable("its host is no name that a certificate can have"))?;
                Some((TlsConnector::from(Arc::new(trusting(ca)?)), name))
            }
        };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { host, port, authority: authority.to_string(), prefix: uri.path().trim_end_matches('/').to_owned(), tls })
    }

    /// Asks for a file of this length, from a byte on.
    pub(crate) async fn ask(&self, name: &str, first: u64, length: u64) -> Result<Arrival, String> {
        // S3 takes a bare plus sign for a space.
        let path = format!("{}/{}", self.prefix, trust::quoted(name, "/"));
        let request = Request::get(path).header(header::HOST, &self.authority).header(header::USER_AGENT, "pinnaced");
        let request = request.header(header::RANGE, format!("bytes={first}-{}", length.saturating_sub(1)));
        let request = request.body(Full::<Bytes>::default()).map_err(|error| words(&error))?;
        let (response, connection) = self.send(request).await?;
        Ok(Arrival { resumed: begins(&response, first, length)?, body: response.into_body(), _connection: connection })
    }

    /// Brings a JSON body; what comes of it, and the first of what is said to it.
    pub(crate) async fn bring(&self, path: &str, json: String, answer_bytes_max: usize) -> Result<(StatusCode, Vec<u8>), String> {
        let request = Request::post(format!("{}{path}", self.prefix)).header(header::HOST, &self.authority);
        let request = request.header(header::USER_AGENT, "pinnaced").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::from(json)).map_err(|error| words(&error))?;
        let (response, connection) = self.send(request).await?;
        let status = response.status();
        let mut arrival = Arrival { resumed: false, body: response.into_body(), _connection: connection };
        let mut answer = Vec::new();
        while let Some(piece) = arrival.next().await? {
            if answer.len() + piece.len() > answer_bytes_max {
                break;
            }
            answer.extend_from_slice(&piece);
        }
        Ok((status, answer))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, JoinSet<()>), String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| words(&error))?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some((connector, name)) => exchange(connector.connect(name.clone(), stream).await.map_err(|error| words(&error))?, request).await,
        }
    }
}

impl Arrival {
    /// The next bytes; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.body.frame().await.transpose().map_err(|error| words(&error))?.map(hyper::body::Frame::into_data) {
                None => return Ok(None),
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_trailers)) => {}
            }
        }
    }
}

fn trusting(ca: &Path) -> Result<ClientConfig, Failure> {
    let roots = tls::roots(files::certificates(ca)?.into_iter(), ca)?;
    let config = ClientConfig::builder_with_provider(Arc::new(tls::provider())).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Failure::new(Code::Internal, "cannot speak TLS to another server", error, "report it"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, JoinSet<()>), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // How it ends is told to whoever reads the answer.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(|error| words(&error))?;
    Ok((response, driver))
}

/// Whether an answer begins with the byte asked for (206) or with the first (200); what tells another length is not read.
fn begins(response: &Response<Incoming>, first: u64, length: u64) -> Result<bool, String> {
    let header = |name| response.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = header(header::CONTENT_RANGE).unwrap_or_default();
            let fits = range.strip_prefix(&format!("bytes {first}-")).is_some_and(|rest| rest.ends_with(&format!("/{length}")));
            if fits { Ok(true) } else { Err(format!("it sends {range:?} of a file of {length} bytes")) }
        }
        StatusCode::OK => {
            let whole = header(header::CONTENT_LENGTH).unwrap_or_default();
            if whole.is_empty() || whole == length.to_string() {
                Ok(false)
            } else {
                Err(format!("its file has {whole} bytes, and {length} were signed"))
            }
        }
        StatusCode::NOT_FOUND => Err("it has no such file".to_owned()),
        status => Err(format!("it answers with status {status}")),
    }
}

/// An error with what is behind it.
fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrors_url_says_all_there_is_to_say() {
        let way = Way::new("mirror", "http://[::1]:8080/a/b/", None).unwrap();
        assert_eq!((way.host.as_str(), way.port, way.authority.as_str(), way.prefix.as_str()), ("::1", 8080, "[::1]:8080", "/a/b"));
        assert_eq!(Way::new("mirror", "http://mirror.example", None).unwrap().port, 80);
        for (url, because) in [
            ("mirror.example/a", "not a URL"),
            ("ftp://mirror.example/a", "neither"),
            ("http://ann:secret@mirror.example/", "no host alone"),
            ("http://mirror.example/?x=1", "query"),
            ("https://mirror.example/", "no CA"),
        ] {
            let refused = Way::new("mirror", url, None).err().unwrap();
            assert!(refused.because().contains(because), "{url}: {}", refused.because());
        }
        assert!(Way::new("mirror", "http://mirror.example/", Some(Path::new("ca.pem"))).is_err());
    }
}
