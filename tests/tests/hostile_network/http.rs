//! Control planes with a good certificate whose HTTP is not what it should be.

use std::io::Write as _;
use std::time::Duration;

use tests::evil::answer::{delivered, good, ok};
use tests::evil::ground::{Ground, Want};
use tests::evil::peer::{Script, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients, Tls};

use crate::{meet, reason};

/// What follows the bytes.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The end, as TLS says it.
    Close,
    /// The end of the connection, without TLS's.
    Cut,
    /// Silence.
    Hold,
}

/// Answers every connection's first request with these bytes.
fn saying(ground: &Ground, bytes: Vec<u8>, then: Then) -> Script {
    let config = tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority));
    script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        call.request(&mut tls)?;
        tls.write_all(&bytes)?;
        tls.flush()?;
        match then {
            Then::Close => tls::close(&mut tls)?,
            Then::Cut => {}
            Then::Hold => call.hold(),
        }
        Ok(())
    })
}

fn head(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\n").into_bytes()
}

fn with_body(lines: &str, body: &str) -> Vec<u8> {
    [head(lines), body.as_bytes().to_vec()].concat()
}

fn body() -> String {
    good(0).to_json()
}

/// The body in chunks of this many bytes, without the last chunk.
fn chunks(size: usize) -> String {
    let body = body();
    let pieces = body.as_bytes().chunks(size).map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)));
    pieces.collect()
}

type Row = (&'static str, (fn() -> Vec<u8>, Then, Want));

fn check(table: &[Row]) {
    rows::check(table, |(bytes, then, want)| {
        let ground = Ground::new();
        meet(&ground, &saying(&ground, bytes(), *then), *want);
    });
}

#[test]
fn lengths_that_do_not_hold() {
    use Then::{Close, Cut, Hold};
    check(&[
        ("as it should be", (delivered, Hold, Want::Delivered)),
        ("too long, closed", (|| with_body("Content-Length: 9999\r\n", &body()), Close, reason(&["http.closed"]))),
        ("too long, held", (|| with_body("Content-Length: 9999\r\n", &body()), Hold, reason(&["http.timeout"]))),
        ("too short", (|| with_body("Content-Length: 100\r\n", &body()), Close, reason(&["credential.malformed"]))),
        ("two that differ", (|| with_body("Content-Length: 5\r\nContent-Length: 6\r\n", &body()), Close, reason(&["http.malformed"]))),
        ("two that differ in one line", (|| with_body("Content-Length: 5, 6\r\n", &body()), Close, reason(&["http.malformed"]))),
        ("negative", (|| with_body("Content-Length: -1\r\n", &body()), Close, reason(&["http.malformed"]))),
        ("with a sign", (|| with_body(&format!("Content-Length: +{}\r\n", body().len()), &body()), Close, reason(&["http.malformed"]))),
        ("empty", (|| with_body("Content-Length:\r\n", &body()), Close, reason(&["http.malformed"]))),
        ("a terabyte", (|| with_body("Content-Length: 1000000000000\r\n", &body()), Hold, reason(&["http.too-large"]))),
        ("beyond 64 bits", (|| with_body("Content-Length: 99999999999999999999999\r\n", &body()), Hold, reason(&["http.too-large"]))),
        ("none, and a proper end", (|| with_body("", &body()), Close, Want::Delivered)),
        ("none, and cut: nobody knows whether it is whole", (|| with_body("", &body()), Cut, reason(&["http.closed"]))),
        ("none, and held", (|| with_body("", &body()), Hold, reason(&["http.timeout"]))),
    ]);
}

#[test]
fn chunks_that_hold_and_that_do_not() {
    use Then::{Close, Hold};
    const LINE: &str = "Transfer-Encoding: chunked\r\n";
    check(&[
        ("good", (|| with_body(LINE, &format!("{}0\r\n\r\n", chunks(50))), Hold, Want::Delivered)),
        ("of one byte", (|| with_body(LINE, &format!("{}0\r\n\r\n", chunks(1))), Hold, Want::Delivered)),
        ("with a trailer", (|| with_body(LINE, &format!("{}0\r\nX-Trailer: 1\r\n\r\n", chunks(50))), Hold, Want::Delivered)),
        ("a size that is no number", (|| with_body(LINE, "zz\r\nabc\r\n0\r\n\r\n"), Close, reason(&["http.malformed"]))),
        ("a size beyond 64 bits", (|| with_body(LINE, "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), Close, reason(&["http.malformed"]))),
        ("a size of 64 bits", (|| with_body(LINE, "ffffffffffffffff\r\nabc"), Hold, reason(&["http.too-large"]))),
        ("a size that is too small", (|| with_body(LINE, "2\r\nabcdef\r\n0\r\n\r\n"), Close, reason(&["http.malformed"]))),
        ("cut inside a chunk", (|| with_body(LINE, "ff\r\nabc"), Close, reason(&["http.closed"]))),
        ("cut before the last chunk", (|| with_body(LINE, &chunks(50)), Close, reason(&["http.closed"]))),
        ("silent before the last chunk", (|| with_body(LINE, &chunks(50)), Hold, reason(&["http.timeout"]))),
        ("a size without end", (|| with_body(LINE, &format!("1;{}", "x".repeat(40_000))), Hold, reason(&["http.malformed"]))),
        ("another encoding", (|| with_body("Transfer-Encoding: gzip, chunked\r\n", &body()), Close, reason(&["http.encoding"]))),
    ]);
}

#[test]
fn heads_that_are_none() {
    use Then::{Close, Hold};
    check(&[
        ("of HTTP/1.0", (|| [&b"HTTP/1.0 200 OK\r\n\r\n"[..], body().as_bytes()].concat(), Close, Want::Delivered)),
        (
            "after an interim answer",
            (|| [&b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"[..], &delivered()].concat(), Hold, Want::Delivered),
        ),
        ("interim answers without end", (|| b"HTTP/1.1 100 Continue\r\n\r\n".repeat(5_000), Hold, reason(&["http.too-large", "http.malformed"]))),
        ("of HTTP/2", (|| [&[0, 0, 18, 4, 0, 0, 0, 0, 0][..], &[0; 18]].concat(), Hold, reason(&["http.malformed"]))),
        ("HTTP/2's preface", (|| b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Hold, reason(&["http.malformed"]))),
        ("HTTP/2 in a status line", (|| b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), Hold, reason(&["http.malformed"]))),
        ("garbage", (|| (0..=255).cycle().take(3_000).collect(), Hold, reason(&["http.malformed"]))),
        ("no status", (|| b"HTTP/1.1 OK\r\n\r\n".to_vec(), Hold, reason(&["http.malformed"]))),
        ("a status of 999", (|| b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n".to_vec(), Hold, reason(&["http.unexpected-status"]))),
        (
            "100 lines",
            (
                || with_body(&format!("Content-Length: {}\r\n{}", body().len(), "X-Line: 1\r\n".repeat(100)), &body()),
                Hold,
                reason(&["http.too-large"]),
            ),
        ),
        ("one line without end", (|| head(&format!("X-Line: {}\r\n", "y".repeat(100_000))), Hold, reason(&["http.too-large"]))),
        ("a NUL in a line", (|| head("X-Line: a\0b\r\n"), Hold, reason(&["http.malformed"]))),
        ("nothing but the end", (Vec::new, Close, reason(&["http.closed"]))),
        ("compressed", (|| with_body("Content-Encoding: gzip\r\nContent-Length: 3\r\n", "\u{1f}\u{8b}"), Hold, reason(&["http.encoding"]))),
    ]);
}

/// Writes without end.
fn endless(ground: &Ground, start: &'static str, piece: &'static str) -> Script {
    let config = tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority));
    script(move |call| {
        let mut tls: Tls = tls::accept(&config, call)?;
        call.request(&mut tls)?;
        tls.write_all(start.as_bytes())?;
        let pieces = piece.repeat(1 + 16_000 / piece.len());
        loop {
            tls.write_all(pieces.as_bytes())?;
        }
    })
}

#[test]
fn answers_without_end() {
    let rows = [
        ("a body", ("HTTP/1.1 200 OK\r\n\r\n", "{\"a\":1}")),
        ("chunks", ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n")),
        ("head lines", ("HTTP/1.1 200 OK\r\n", "X-Line: 1\r\n")),
        ("empty lines", ("", "\r\n")),
        ("a status line", ("HTTP/1.1 200 ", "OK ")),
    ];
    rows::check(&rows, |(start, piece)| {
        let ground = Ground::new();
        let (outcome, _) = meet(&ground, &endless(&ground, start, piece), reason(&["http.too-large"]));
        assert!(outcome.elapsed < Duration::from_secs(3), "{outcome:#?}");
    });
}

#[test]
fn two_answers_at_once_are_not_taken_for_one() {
    let ground = Ground::new();
    let twice = [ok(&body()), ok("{\"version\":1}")].concat();
    meet(&ground, &saying(&ground, twice, Then::Hold), Want::Delivered);
}
