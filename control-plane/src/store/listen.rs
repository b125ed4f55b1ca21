//! Hearing at once of what other processes change.

use super::{Address, address::Server};
use std::{future::poll_fn, time::Duration};
use tokio::{sync::mpsc::Sender, time::sleep};
use tokio_postgres::{AsyncMessage, NoTls};

const RETRY: Duration = Duration::from_secs(1);

/// Sends whenever there may be something new, for as long as somebody receives. A file has nobody else writing into it.
pub(crate) async fn listen(address: Address, changed: Sender<()>) {
    let Address::Server(server) = address else { return };
    while !changed.is_closed() {
        if let Err(error) = hear(&server, &changed).await {
            tracing::warn!(event = "database-unheard", because = %error, hint = "changes are still read every reload_seconds");
        }
        sleep(RETRY).await;
    }
}

async fn hear(server: &Server, changed: &Sender<()>) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = server.config.connect(NoTls).await?;
    let (heard, mut hears) = tokio::sync::mpsc::channel(1);
    let driver = tokio::spawn(async move {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                // One that waits already stands for all.
                Some(Ok(AsyncMessage::Notification(_))) => drop(heard.try_send(())),
                Some(Ok(_)) => (),
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    });
    client.batch_execute("LISTEN pinnaced").await?;
    // What was changed before it listened.
    let _ = changed.send(()).await;
    while hears.recv().await.is_some() && changed.send(()).await.is_ok() {}
    driver.await.unwrap_or(Ok(()))
}
