//! A peer that takes commands as lines of JSON and tells what happens as lines of JSON: the same ones, and the same protocol
//! between peers, as `test/natlab/peer.mjs` has, so that either can meet the other.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayUrl, TransportAddr, Watcher};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_stream::StreamExt;

use crate::endpoint::EndpointArgs;
use crate::report;

/// An endpoint gives its probes of relays 3 s.
const LOCATION_WAIT: Duration = Duration::from_millis(3500);
const CONNECT_WAIT: Duration = Duration::from_secs(30);
/// How a stream begins whose bytes are to come back. Of any other, number and hash are told.
const ECHO: u8 = b'E';
const TRANSFER: u8 = b'T';
const CHUNK: usize = 64 * 1024;
const MAX_RECEIPT: usize = 1024;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
enum Command {
    /// Tells `connected` when the first byte has come back.
    Connect {
        id: EndpointId,
        relays: Vec<RelayUrl>,
    },
    /// Sends so many bytes; tells `transferred`, and whether the remote got what was sent.
    Transfer { bytes: usize },
    /// Closes the connection; both sides tell `closed`.
    Close,
    /// Closes the endpoint; tells `ended`.
    End,
}

struct Peer {
    endpoint: Endpoint,
    alpn: Vec<u8>,
    /// The last one that began.
    connection: Mutex<Option<Connection>>,
}

/// Obeys until standard input ends.
pub async fn run(args: EndpointArgs) -> Result<()> {
    let endpoint = args.bind().await?;
    args.online(&endpoint).await?;
    located(&endpoint).await;
    let addr = endpoint.addr();
    tell(
        "ready",
        json!({
            "id": endpoint.id().to_string(),
            "relay": addr.relay_urls().next().map(ToString::to_string),
            "addresses": addr.ip_addrs().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    );
    let peer = Arc::new(Peer {
        endpoint,
        alpn: args.alpn.into_bytes(),
        connection: Mutex::new(None),
    });
    tokio::spawn(accept(peer.clone()));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command = serde_json::from_str(&line).with_context(|| format!("command {line}"))?;
        let peer = peer.clone();
        tokio::spawn(async move {
            if let Err(error) = peer.obey(command).await {
                tell(
                    "failed",
                    json!({ "command": line, "error": format!("{error:#}") }),
                );
            }
        });
    }
    Ok(())
}

/// Waits until the endpoint tells others at which address it is seen, or it is clear that UDP gets nowhere.
async fn located(endpoint: &Endpoint) {
    let known = async {
        loop {
            let seen = endpoint
                .net_report()
                .get()
                .and_then(|report| report.global_v4);
            if seen.is_some_and(|seen| endpoint.addr().ip_addrs().any(|addr| *addr == seen.into()))
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LOCATION_WAIT, known).await.ok();
}

async fn accept(peer: Arc<Peer>) {
    while let Some(incoming) = peer.endpoint.accept().await {
        let peer = peer.clone();
        tokio::spawn(async move {
            // The dialler tells what went wrong.
            let Ok(connection) = incoming.await else {
                return;
            };
            let fields = json!({ "remoteId": connection.remote_id().to_string(), "state": state(&connection) });
            tell("accepted", fields);
            peer.watch(&connection);
            while let Ok((send, recv)) = connection.accept_bi().await {
                tokio::spawn(answer(send, recv));
            }
        });
    }
}

/// Returns a stream's bytes, or tells their number and hash.
async fn answer(mut send: SendStream, mut recv: RecvStream) -> Result<()> {
    let (mut bytes, mut hash, mut echoes) = (0, Sha256::new(), None);
    while let Some(chunk) = recv.read_chunk(CHUNK).await? {
        if *echoes.get_or_insert(chunk.first() == Some(&ECHO)) {
            send.write_chunk(chunk).await?;
        } else {
            bytes += chunk.len();
            hash.update(&chunk);
        }
    }
    if echoes != Some(true) {
        let receipt = json!({ "bytes": bytes, "hash": hex(&hash.finalize()) });
        send.write_all(receipt.to_string().as_bytes()).await?;
    }
    send.finish()?;
    Ok(())
}

impl Peer {
    async fn obey(&self, command: Command) -> Result<()> {
        match command {
            Command::Connect { id, relays } => self.connect(id, relays).await,
            Command::Transfer { bytes } => transfer(&self.connection()?, bytes).await,
            Command::Close => {
                self.connection()?.close(0u32.into(), b"enough");
                Ok(())
            }
            Command::End => {
                self.endpoint.close().await;
                tell("ended", json!({}));
                Ok(())
            }
        }
    }

    async fn connect(&self, id: EndpointId, relays: Vec<RelayUrl>) -> Result<()> {
        let begin = Instant::now();
        let addr = EndpointAddr::from_parts(id, relays.into_iter().map(TransportAddr::Relay));
        let dial = self.endpoint.connect(addr, &self.alpn);
        let connection = tokio::time::timeout(CONNECT_WAIT, dial).await??;
        let handshake = begin.elapsed();
        self.watch(&connection);
        let (mut send, mut recv) = connection.open_bi().await?;
        send.write_all(&[ECHO]).await?;
        recv.read_exact(&mut [0]).await?;
        tell(
            "connected",
            json!({
                "handshakeMs": milliseconds(handshake),
                "firstByteMs": milliseconds(begin.elapsed()),
                "state": state(&connection),
            }),
        );
        send.finish()?;
        recv.read_to_end(0).await?;
        Ok(())
    }

    fn connection(&self) -> Result<Connection> {
        let current = self.connection.lock().expect("no panic while it is locked");
        current.clone().context("there is no connection")
    }

    /// Tells how a connection fares from now on.
    fn watch(&self, connection: &Connection) {
        *self.connection.lock().expect("no panic while it is locked") = Some(connection.clone());
        let connection = connection.clone();
        tokio::spawn(async move {
            let mut last = state(&connection);
            let mut paths = connection.paths_stream();
            while let Some(list) = paths.next().await {
                let Some(path) = list.iter().find(|path| path.is_selected()) else {
                    continue;
                };
                let to = kind(path.is_ip());
                if to != last {
                    let remote = format!("{:?}", path.remote_addr());
                    tell("state", json!({ "from": last, "to": to, "cause": remote }));
                    last = to;
                }
            }
            tell(
                "closed",
                json!({ "reason": connection.closed().await.to_string() }),
            );
        });
    }
}

/// `direct` when what is sent now goes directly.
fn state(connection: &Connection) -> &'static str {
    let paths = connection.paths();
    kind(paths.iter().any(|path| path.is_selected() && path.is_ip()))
}

fn kind(is_direct: bool) -> &'static str {
    if is_direct { "direct" } else { "relayed" }
}

async fn transfer(connection: &Connection, bytes: usize) -> Result<()> {
    let begin = Instant::now();
    let (mut send, mut recv) = connection.open_bi().await?;
    let mut hash = Sha256::new();
    for (index, from) in (0..bytes).step_by(CHUNK).enumerate() {
        let mut chunk = (0..CHUNK.min(bytes - from))
            .map(|at| (at * 31 + (at >> 8) * (index + 1)) as u8)
            .collect::<Vec<_>>();
        if from == 0 {
            chunk[0] = TRANSFER;
        }
        hash.update(&chunk);
        send.write_all(&chunk).await?;
    }
    send.finish()?;
    let receipt: Value = serde_json::from_slice(&recv.read_to_end(MAX_RECEIPT).await?)?;
    let is_whole = receipt["bytes"] == bytes && receipt["hash"] == hex(&hash.finalize());
    tell(
        "transferred",
        json!({ "isWhole": is_whole, "ms": milliseconds(begin.elapsed()) }),
    );
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Reports with the time, in milliseconds since 1970.
fn tell(what: &str, mut fields: Value) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    fields["type"] = what.into();
    fields["atMs"] = milliseconds(now).into();
    report(fields);
}
