//! The last answer and the end of a connection in one packet.
//!
//! Most clients announce that they ask only once. For them TLS's `close_notify` waits in no packet of its own: what is written
//! from the last answer on is kept until the connection is shut down, which follows at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Set once the answer that is about to be written is a connection's last.
pub(super) type Last = Arc<AtomicBool>;

/// A TCP connection that keeps its last words together.
pub(super) struct Farewell {
    stream: TcpStream,
    last: Last,
    kept: Vec<u8>,
}

impl Farewell {
    /// Around `stream`, with what says when the last answer comes.
    pub(super) fn new(stream: TcpStream) -> (Self, Last) {
        let last = Last::default();
        (Self { stream, last: Arc::clone(&last), kept: Vec::new() }, last)
    }
}

impl AsyncRead for Farewell {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Farewell {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.last.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        }
        parts.iter().for_each(|part| self.kept.extend_from_slice(part));
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP itself holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, kept, .. } = &mut *self;
        while !kept.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(context, kept))?;
            kept.drain(..written);
        }
        // The stream is dropped next, and that says goodbye too.
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    #[tokio::test]
    async fn last_words_leave_together_and_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut writer, last) = Farewell::new(listener.accept().await.unwrap().0);
        let mut read = [0_u8; 6];
        writer.write_all(b"answer").await.unwrap();
        reader.read_exact(&mut read).await.unwrap();
        last.store(true, Ordering::Relaxed);
        for part in [&b"last answer, "[..], b"end"] {
            writer.write_all(part).await.unwrap();
            writer.flush().await.unwrap();
            assert_eq!(reader.try_read(&mut read).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        writer.shutdown().await.unwrap();
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "last answer, end");
    }
}
