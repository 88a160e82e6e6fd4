//! The benchmark's protocol: one bidirectional stream, one direction measured.
//!
//! The dialler writes a request of 8 bytes, little endian. Zero means "I send until I finish, then answer with the number
//! of bytes that arrived"; any other number means "send me that many".

use std::time::Instant;

use anyhow::{Result, ensure};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde_json::{Value, json};

const CHUNK: usize = 64 * 1024;

/// Serves requests until the connection ends.
pub async fn serve(connection: &Connection) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        // The dialler reports what went wrong with its stream.
        answer(send, recv).await.ok();
    }
}

async fn answer(mut send: SendStream, mut recv: RecvStream) -> Result<()> {
    let mut request = [0; 8];
    recv.read_exact(&mut request).await?;
    match u64::from_le_bytes(request) {
        0 => {
            send.write_all(&drain(&mut recv).await?.to_le_bytes())
                .await?
        }
        bytes => write(&mut send, bytes).await?,
    }
    send.finish()?;
    Ok(())
}

/// Moves `bytes` in one direction and returns the figures.
///
/// # Errors
/// When the stream fails or another number of bytes arrives.
pub async fn measure(connection: &Connection, bytes: u64, receive: bool) -> Result<Value> {
    let (mut send, mut recv) = connection.open_bi().await?;
    let started = Instant::now();
    let arrived = if receive {
        send.write_all(&bytes.to_le_bytes()).await?;
        send.finish()?;
        drain(&mut recv).await?
    } else {
        send.write_all(&0u64.to_le_bytes()).await?;
        write(&mut send, bytes).await?;
        send.finish()?;
        // To the end: a stream that is dropped before it is stopped, and the other side's close fails.
        let count = recv.read_to_end(8).await?;
        u64::from_le_bytes(count.as_slice().try_into()?)
    };
    let seconds = started.elapsed().as_secs_f64();
    ensure!(arrived == bytes, "{arrived} of {bytes} bytes arrived");
    let direction = if receive { "receive" } else { "send" };
    Ok(json!({
        "bytes": bytes,
        "direction": direction,
        "seconds": seconds,
        "mb_per_s": bytes as f64 / seconds / 1e6,
        "mtu": connection.paths().iter().map(|path| path.stats().current_mtu).max(),
    }))
}

async fn write(send: &mut SendStream, bytes: u64) -> Result<()> {
    let chunk = vec![0x5a; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let len = left.min(CHUNK as u64);
        send.write_all(&chunk[..len as usize]).await?;
        left -= len;
    }
    Ok(())
}

async fn drain(recv: &mut RecvStream) -> Result<u64> {
    let mut arrived = 0;
    while let Some(chunk) = recv.read_chunk(usize::MAX).await? {
        arrived += chunk.len() as u64;
    }
    Ok(arrived)
}
