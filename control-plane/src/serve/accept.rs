//! Taking connections in, no more than there is room for.

use super::connection;
use crate::{
    api::ControlPlane,
    config::Limits,
    failure::{Code, Failure},
    tls,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

const BACKLOG: u32 = 4096;
/// How long to leave the listener alone when the process or the machine has run out of something.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// Who comes in where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Hosts, over mutual TLS.
    Hosts,
    /// Everybody, over TLS.
    Public,
    /// The machine's operators, in the clear.
    Admin,
    /// The control plane's operators, over mutual TLS.
    Operators,
}

impl Door {
    /// Its word in logs and metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Door::Hosts => "hosts",
            Door::Public => "public",
            Door::Admin => "admin",
            Door::Operators => "operators",
        }
    }
}

/// One listening socket and its room.
pub(super) struct Listener {
    door: Door,
    socket: TcpListener,
    slots: Arc<Semaphore>,
    limits: Limits,
}

impl Listener {
    /// Listens at `address`.
    pub(super) fn bind(door: Door, address: SocketAddr, limits: &Limits) -> Result<Self, Failure> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            // Linux hands this down to what is accepted.
            socket.set_nodelay(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        let socket = bind().map_err(|error| cannot_listen(door, address, &error))?;
        Ok(Self { door, socket, slots: Arc::new(Semaphore::new(limits.connections as usize)), limits: limits.clone() })
    }

    /// Where it listens, with the port the system chose for port 0.
    pub(super) fn address(&self) -> Result<SocketAddr, Failure> {
        self.socket
            .local_addr()
            .map_err(|error| Failure::new(Code::ListenRefused, "cannot tell the address listened at", error, "see the system's log"))
    }

    /// Whether it is open to the end, so that others can see how it comes.
    pub(super) fn stays_open(&self) -> bool {
        self.door == Door::Admin
    }

    /// One permit per connection; all are free once all connections have ended.
    pub(super) fn slots(&self) -> Arc<Semaphore> {
        Arc::clone(&self.slots)
    }

    /// Takes connections in until told to close. Who finds no room waits in the backlog. The admin door stays open to the end.
    pub(super) async fn run(self, plane: Arc<ControlPlane>, current: Arc<tls::Current>, mut closing: watch::Receiver<bool>) {
        let to_the_end = self.stays_open();
        loop {
            let accepted = tokio::select! {
                _ = closing.wait_for(|closing| *closing && !to_the_end) => return,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok((permit, stream, peer)) => {
                    let guest = connection::Guest { door: self.door, peer, limits: self.limits.clone(), closing: closing.clone() };
                    let (plane, configs) = (Arc::clone(&plane), current.load_full());
                    tokio::spawn(async move {
                        connection::serve(guest, stream, &plane, &configs).await;
                        drop(permit);
                    });
                }
                // A connection that was gone before it was taken costs nothing.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => (),
                Err(error) => {
                    plane.metrics.accept_failed();
                    tracing::error!(event = "accept-failed", listener = self.door.name(), because = %error, hint = "raise the limit on open files");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
        let permit = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = self.socket.accept().await?;
        Ok((permit, stream, peer))
    }
}

fn cannot_listen(door: Door, address: SocketAddr, error: &io::Error) -> Failure {
    let (code, hint) = match error.kind() {
        io::ErrorKind::AddrInUse => (Code::ListenInUse, "end whoever listens there (ss -ltnp shows it), or name another port"),
        _ => (Code::ListenRefused, "name an address of this machine, and a port that this user may listen at"),
    };
    Failure::new(code, format!("cannot listen for {} at {address}", door.name()), error, hint)
}
