//! The configuration's bytes.

use std::time::Duration;

use anypath_peer::admission::Limits;
#[cfg(feature = "node")]
use anypath_peer::config::WebTransportConfig;
use anypath_peer::config::{Congestion, PeerConfig};
use anypath_peer::discovery::{DiscoveryConfig, DiscoveryLimits};
use anypath_peer::tls::{Certificate, KeyExchange, SecretKey};
use anypath_wire::reader::{ReadError, Reader};

const VERSION: u8 = 1;

const ACCEPT: u32 = 1;
const ASK: u32 = 2;
const EARLY_DATA: u32 = 4;
const QLOG: u32 = 8;
const MTU_DISCOVERY: u32 = 16;
const CLASSICAL_ONLY: u32 = 32;
const STUN: u32 = 64;
#[cfg(feature = "node")]
const WEB_TRANSPORT: u32 = 128;

/// A peer's configuration, and how much it logs.
pub(crate) fn read(bytes: &[u8]) -> Result<(PeerConfig, u8), String> {
    let mut reader = Reader::new(bytes);
    if read_value(reader.u8())? != VERSION {
        return Err("the configuration is of another version of the core".into());
    }
    let parsed = fields(&mut reader).map_err(|error| error.to_string())?;
    let (mut config, log_level, congestion) = parsed;
    #[cfg(feature = "node")]
    web_transport(&mut reader, &mut config)?;
    config.discovery = discovery(&mut reader)?;
    read_value(reader.finish())?;
    config.congestion = match congestion {
        0 => Congestion::Cubic,
        1 => Congestion::NewReno,
        2 => Congestion::Bbr,
        other => return Err(format!("there is no congestion controller {other}")),
    };
    Ok((config, log_level))
}

fn read_value<T>(value: Result<T, ReadError>) -> Result<T, String> {
    value.map_err(|error| error.to_string())
}

fn fields(reader: &mut Reader<'_>) -> Result<(PeerConfig, u8, u8), ReadError> {
    let secret_key = SecretKey::from_bytes(reader.array()?);
    let seed = reader.array()?;
    let epoch_ms = reader.f64()?;
    let flags = reader.u32()?;
    let has = |flag| flags & flag != 0;
    let log_level = reader.u8()?;
    let congestion = reader.u8()?;
    let limits = Limits {
        connections: reader.u32()? as usize,
        per_remote: reader.u32()? as usize,
        per_address: reader.u32()? as usize,
        handshakes: reader.u32()? as usize,
        retry_above: reader.u32()? as usize,
    };
    let mut millis = || reader.u32().map(|ms| Duration::from_millis(ms.into()));
    let (handshake_timeout, idle_timeout, keep_alive) = (millis()?, millis()?, millis()?);
    let config = PeerConfig {
        secret_key,
        seed,
        epoch_ms,
        accept: has(ACCEPT),
        ask: has(ASK),
        early_data: has(EARLY_DATA),
        qlog: has(QLOG),
        mtu_discovery: has(MTU_DISCOVERY),
        stun: has(STUN),
        discovery: None,
        #[cfg(not(feature = "node"))]
        web_transport: None,
        // How many sessions there may be follows at the end.
        #[cfg(feature = "node")]
        web_transport: has(WEB_TRANSPORT).then_some(WebTransportConfig { sessions: 0 }),
        control: true,
        key_exchange: match has(CLASSICAL_ONLY) {
            true => KeyExchange::Classical,
            false => KeyExchange::PostQuantum,
        },
        congestion: Congestion::Cubic,
        limits,
        handshake_timeout,
        idle_timeout,
        keep_alive: (!keep_alive.is_zero()).then_some(keep_alive),
        stream_receive_window: reader.u32()?,
        receive_window: reader.u32()?,
        send_window: reader.u32()?,
        max_bidi_streams: reader.u32()?,
        max_uni_streams: reader.u32()?,
        datagram_receive_buffer: reader.u32()?,
        datagram_send_buffer: reader.u32()?,
        initial_mtu: reader.u16()?,
        max_mtu: reader.u16()?,
        alpns: alpns(reader)?,
    };
    Ok((config, log_level, congestion))
}

/// The listener for browsers, where the flags say that it is wanted.
#[cfg(feature = "node")]
fn web_transport(reader: &mut Reader<'_>, config: &mut PeerConfig) -> Result<(), String> {
    if config.web_transport.is_some() {
        let sessions = read_value(reader.u32())? as usize;
        config.web_transport = Some(WebTransportConfig { sessions });
    }
    Ok(())
}

/// The address-discovery service: its certificate, its key and its limits, or nothing when it is not wanted.
fn discovery(reader: &mut Reader<'_>) -> Result<Option<DiscoveryConfig>, String> {
    if reader.is_empty() {
        return Ok(None);
    }
    let count = read_value(reader.u16())?;
    let chain = (0..count)
        .map(|_| reader.bytes32().map(<[u8]>::to_vec))
        .collect::<Result<_, _>>();
    let (chain, key) = (read_value(chain)?, read_value(reader.bytes16())?);
    let mut limit = || read_value(reader.u32());
    let limits = DiscoveryLimits {
        connections: limit()? as usize,
        per_address: limit()? as usize,
        age: Duration::from_millis(limit()?.into()),
    };
    let certificate = certificate(chain, key)?;
    Ok(Some(DiscoveryConfig {
        certificate,
        limits,
    }))
}

#[cfg(feature = "node")]
fn certificate(chain: Vec<Vec<u8>>, key: &[u8]) -> Result<Certificate, String> {
    Certificate::new(chain, key).map_err(|error| format!("addressDiscovery: {error}"))
}

#[cfg(not(feature = "node"))]
fn certificate(_: Vec<Vec<u8>>, _: &[u8]) -> Result<Certificate, String> {
    Err("addressDiscovery: only the core for Node has it".into())
}

fn alpns(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, ReadError> {
    let count = reader.u16()?;
    (0..count)
        .map(|_| reader.bytes8().map(<[u8]>::to_vec))
        .collect()
}
