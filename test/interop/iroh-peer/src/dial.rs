//! The dialling side of the interop tests: sends known bytes and checks that the same come back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde_json::{Value, json};

/// How long to wait for the echo of a datagram before it counts as lost.
const DATAGRAM_WAIT: Duration = Duration::from_secs(1);

/// Sends `bytes` over a stream of each kind, and some datagrams, and checks what comes back.
///
/// # Errors
/// When a stream fails or brings back other bytes than were sent. A lost datagram is counted, not an error.
pub async fn check(connection: &Connection, bytes: usize, datagrams: usize) -> Result<Value> {
    let (send, recv) = connection.open_bi().await.context("open_bi")?;
    let bi_hash = exchange(send, async { Ok(recv) }, &pattern(bytes, 1))
        .await
        .context("bidirectional stream")?;

    let send = connection.open_uni().await.context("open_uni")?;
    let answer = async { Ok(connection.accept_uni().await?) };
    let uni_hash = exchange(send, answer, &pattern(bytes, 2))
        .await
        .context("unidirectional stream")?;

    let echoed = exchange_datagrams(connection, datagrams).await?;
    Ok(json!({
        "bytes": bytes,
        "bi_blake3": bi_hash.to_string(),
        "uni_blake3": uni_hash.to_string(),
        "datagrams_sent": datagrams,
        "datagrams_echoed": echoed,
    }))
}

async fn exchange(
    mut send: SendStream,
    answer: impl Future<Output = Result<RecvStream>>,
    data: &[u8],
) -> Result<blake3::Hash> {
    let write = async {
        send.write_all(data).await?;
        send.finish()?;
        Ok::<_, anyhow::Error>(())
    };
    let read = async { Ok(answer.await?.read_to_end(data.len() + 1).await?) };
    let ((), echoed) = tokio::try_join!(write, read)?;
    ensure!(
        echoed.len() == data.len(),
        "sent {} bytes, got {} back",
        data.len(),
        echoed.len()
    );
    let hash = blake3::hash(&echoed);
    ensure!(
        hash == blake3::hash(data),
        "the bytes that came back differ"
    );
    Ok(hash)
}

async fn exchange_datagrams(connection: &Connection, count: usize) -> Result<usize> {
    let mut echoed = 0;
    for index in 0..count {
        let data = pattern(200, 100 + index as u64);
        connection
            .send_datagram(data.clone().into())
            .context("send_datagram")?;
        match tokio::time::timeout(DATAGRAM_WAIT, connection.read_datagram()).await {
            Ok(answer) => echoed += usize::from(answer.context("read_datagram")? == data),
            Err(_elapsed) => {}
        }
    }
    Ok(echoed)
}

/// Bytes that repeat nowhere near, so that a lost, doubled or swapped piece changes the hash.
fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut data = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut data);
    data
}
