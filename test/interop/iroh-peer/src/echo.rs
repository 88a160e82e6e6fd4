//! The listening side of the interop tests: whatever arrives goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What one connection has echoed.
#[derive(Default)]
pub struct Figures {
    bytes: AtomicU64,
    bi_streams: AtomicU64,
    uni_streams: AtomicU64,
    datagrams: AtomicU64,
}

impl Figures {
    /// The figures as fields of a report.
    pub fn to_json(&self) -> Value {
        json!({
            "bytes": self.bytes.load(Ordering::Relaxed),
            "bi_streams": self.bi_streams.load(Ordering::Relaxed),
            "uni_streams": self.uni_streams.load(Ordering::Relaxed),
            "datagrams": self.datagrams.load(Ordering::Relaxed),
        })
    }

    fn count(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// Echoes until the connection ends.
pub async fn serve(connection: &Connection) -> Arc<Figures> {
    let figures = Arc::new(Figures::default());
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok((send, recv)) = stream else { break };
                let figures = figures.clone();
                streams.spawn(async move {
                    Figures::count(&figures.bi_streams, 1);
                    // A stream that is reset or stopped ends its echo and nothing else.
                    copy(recv, send, &figures).await.ok();
                });
            }
            stream = connection.accept_uni() => {
                let Ok(recv) = stream else { break };
                let (connection, figures) = (connection.clone(), figures.clone());
                streams.spawn(async move {
                    Figures::count(&figures.uni_streams, 1);
                    if let Ok(send) = connection.open_uni().await {
                        copy(recv, send, &figures).await.ok();
                    }
                });
            }
            datagram = connection.read_datagram() => {
                let Ok(datagram) = datagram else { break };
                Figures::count(&figures.datagrams, 1);
                Figures::count(&figures.bytes, datagram.len() as u64);
                // Datagrams may be lost anyway; one that can't be sent is.
                connection.send_datagram(datagram).ok();
            }
        }
    }
    connection.closed().await;
    figures
}

async fn copy(mut recv: RecvStream, mut send: SendStream, figures: &Figures) -> Result<()> {
    while let Some(chunk) = recv.read_chunk(64 * 1024).await? {
        Figures::count(&figures.bytes, chunk.len() as u64);
        send.write_chunk(chunk).await?;
    }
    send.finish()?;
    Ok(())
}
