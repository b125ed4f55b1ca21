//! HTTP/1.1 (RFC 9112), as little of it as a credential needs: one request, one bounded answer.

use crate::failure::Failure;
use host::refused;
use protocol::{reason::Reason, refusal::Refusal};
use std::io::{ErrorKind, Read, Write};

const HEAD_BYTES_MAX: usize = 16_384;
const BODY_BYTES_MAX: usize = 65_536;

/// What is asked for: a GET, or with a body a POST.
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    /// Seconds that the credential held is still good.
    pub(crate) held: Option<i64>,
    /// When it was issued, where another is wanted only if the control plane says so; then a 304 is an empty body.
    pub(crate) issued: Option<i64>,
    pub(crate) body: Option<&'a str>,
    /// The first and the last byte wanted; then a 206 is a success, and its body anything.
    pub(crate) range: Option<(usize, usize)>,
    /// Bytes of a body that are read at most.
    pub(crate) bytes_max: usize,
}

impl<'a> Request<'a> {
    /// A GET of something small.
    pub(crate) fn get(path: &'a str) -> Self {
        Self { path, held: None, issued: None, body: None, range: None, bytes_max: BODY_BYTES_MAX }
    }
}

/// Sends a request and gives the body of its 200; `stream_failure` finds the words for a broken stream.
pub(crate) fn exchange<S: Read + Write>(
    stream: &mut S,
    authority: &str,
    request: &Request<'_>,
    stream_failure: fn(&std::io::Error) -> Failure,
) -> Result<Vec<u8>, Failure> {
    let words = text(authority, request);
    stream.write_all(words.as_bytes()).and_then(|()| stream.flush()).map_err(|error| stream_failure(&error))?;
    let mut buffer = Buffer { stream, bytes: Vec::new(), bytes_max: request.bytes_max, failure: stream_failure };
    let head = buffer.head()?;
    // A status that is no success says enough, whatever becomes of the words behind it.
    let body = buffer.body(&head).or_else(|failure| if matches!(head.code, 200 | 206) { Err(failure) } else { Ok(Vec::new()) })?;
    match head.code {
        304 if request.issued.is_some() => Ok(Vec::new()),
        206 if request.range.is_some() && !head.encoded => Ok(body),
        _ => judge(&head, body),
    }
}

fn text(authority: &str, request: &Request<'_>) -> String {
    let Request { path, held, issued, body, range, .. } = request;
    let method = if body.is_some() { "POST" } else { "GET" };
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: pinnace/{version}\r\nAccept: application/json\r\n");
    if let Some(seconds) = held {
        text += &format!("Pinnace-Held: {seconds}\r\n");
    }
    if let Some(issued) = issued {
        text += &format!("Pinnace-Issued: {issued}\r\n");
    }
    if let Some((first, last)) = range {
        text += &format!("Range: bytes={first}-{last}\r\n");
    }
    if let Some(body) = body {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body.unwrap_or_default()
}

/// What the final head of an answer says.
struct Head {
    code: u16,
    length: Option<usize>,
    chunked: bool,
    encoded: bool,
    html: bool,
    retry_after: Option<u64>,
}

fn judge(head: &Head, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let refusal = Refusal::from_json(&body);
    let reason = match head.code {
        200 if head.encoded => Reason::HttpEncoding,
        200 if body.is_empty() => Reason::HttpEmpty,
        200 if head.html || body.trim_ascii_start().starts_with(b"<") => Reason::HttpNotJson,
        200 => return Ok(body),
        code => refused::reason_of(code, refusal.as_ref().map_or("", |refusal| &refusal.code)),
    };
    let words = refusal.map(|refusal| format!(": {} ({})", printable(&refusal.because), printable(&refusal.code)));
    let because = format!("the answer has status {}{}", head.code, words.unwrap_or_default());
    Err(Failure { retry_after: head.retry_after, ..Failure::new(reason, because) })
}

/// What a terminal may be shown of a text that came over the wire.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

struct Buffer<'a, S> {
    stream: &'a mut S,
    bytes: Vec<u8>,
    bytes_max: usize,
    failure: fn(&std::io::Error) -> Failure,
}

impl<S: Read> Buffer<'_, S> {
    /// Reads past interim answers (RFC 9110 section 15.2) to the final one.
    fn head(&mut self) -> Result<Head, Failure> {
        let mut interim = 0;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&self.bytes) {
                Ok(httparse::Status::Complete(length)) => {
                    let head = read_head(&response)?;
                    self.bytes.drain(..length);
                    if !(100..200).contains(&head.code) {
                        return Ok(head);
                    }
                    interim += length;
                    continue;
                }
                Ok(httparse::Status::Partial) if interim + self.bytes.len() < HEAD_BYTES_MAX => {}
                Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                    return Err(Failure::new(Reason::HttpTooLarge, format!("a head of over {HEAD_BYTES_MAX} bytes or 64 lines")));
                }
                Err(error) => return Err(Failure::new(Reason::HttpMalformed, format!("the answer's head: {error}"))),
            }
            if !self.more()? {
                return Err(closed());
            }
        }
    }

    fn body(&mut self, head: &Head) -> Result<Vec<u8>, Failure> {
        if matches!(head.code, 204 | 304) {
            return Ok(Vec::new());
        }
        if head.chunked {
            return self.chunks();
        }
        match head.length {
            Some(length) if length > self.bytes_max => Err(self.too_large()),
            Some(length) => self.exactly(length),
            None => {
                while self.more()? {
                    if self.bytes.len() > self.bytes_max {
                        return Err(self.too_large());
                    }
                }
                Ok(std::mem::take(&mut self.bytes))
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Failure> {
        let malformed = || Failure::new(Reason::HttpMalformed, "the answer's chunks do not hold");
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.bytes).map_err(|_| malformed())? {
                    httparse::Status::Complete(found) => break found,
                    httparse::Status::Partial if self.bytes.len() < HEAD_BYTES_MAX => {}
                    httparse::Status::Partial => return Err(malformed()),
                }
                if !self.more()? {
                    return Err(closed());
                }
            };
            let size = usize::try_from(size).ok().filter(|size| *size <= self.bytes_max - body.len()).ok_or_else(|| self.too_large())?;
            self.bytes.drain(..start);
            if size == 0 {
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err(malformed());
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        while self.bytes.len() < length {
            if !self.more()? {
                return Err(closed());
            }
        }
        Ok(self.bytes.drain(..length).collect())
    }

    fn too_large(&self) -> Failure {
        Failure::new(Reason::HttpTooLarge, format!("a body of over {} bytes", self.bytes_max))
    }

    fn more(&mut self) -> Result<bool, Failure> {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.bytes.extend(piece.get(..count).unwrap_or_default());
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((self.failure)(&error)),
            }
        }
    }
}

fn read_head(response: &httparse::Response<'_, '_>) -> Result<Head, Failure> {
    let malformed = |what: &str| Failure::new(Reason::HttpMalformed, format!("the answer's {what} does not hold"));
    let mut head = Head { code: response.code.unwrap_or(0), length: None, chunked: false, encoded: false, html: false, retry_after: None };
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = number(value).map(|length| usize::try_from(length).unwrap_or(usize::MAX)).ok_or_else(|| malformed("Content-Length"))?;
            if head.length.is_some_and(|earlier| earlier != length) {
                return Err(malformed("Content-Length"));
            }
            head.length = Some(length);
        } else if is("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(Failure::new(Reason::HttpEncoding, "a transfer encoding other than chunked"));
            }
            head.chunked = true;
        } else if is("content-encoding") {
            head.encoded = !value.eq_ignore_ascii_case("identity");
        } else if is("content-type") {
            head.html = value.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        } else if is("retry-after") {
            head.retry_after = number(value);
        }
    }
    Ok(head)
}

/// Digits and nothing else (RFC 9110 section 8.6); what no number holds is the largest.
fn number(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

fn closed() -> Failure {
    Failure::new(Reason::HttpClosed, "the connection ended before the answer did")
}
