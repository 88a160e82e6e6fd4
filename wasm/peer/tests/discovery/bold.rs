//! A client that does not care what the server allows.

use std::any::Any;
use std::sync::Arc;

use noq_proto::crypto::{
    ClientConfig, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session,
};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectError, Connection, ConnectionId, Dir, Side, TransportError};

/// Opens a stream and sends on it.
pub(crate) fn stream(quic: &mut Connection) {
    let stream = quic.streams().open(Dir::Uni).expect("it helps itself");
    quic.send_stream(stream).write(b"hello").expect("writes");
}

/// Sends a datagram.
pub(crate) fn datagram(quic: &mut Connection) {
    quic.datagrams()
        .send(b"hello"[..].into(), false)
        .expect("it helps itself");
}

pub(crate) struct Bold(pub(crate) Arc<dyn ClientConfig>);

impl ClientConfig for Bold {
    fn start_session(
        &self,
        version: u32,
        name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = Arc::clone(&self.0).start_session(version, name, params)?;
        Ok(Box::new(BoldSession(inner)))
    }
}

struct BoldSession(Box<dyn Session>);

/// One stream, and kilobytes of data and datagrams.
const HELPS_ITSELF: [u8; 15] = [
    0x04, 2, 0x50, 0, 0x07, 2, 0x50, 0, 0x09, 1, 1, 0x20, 2, 0x50, 0,
];

impl Session for BoldSession {
    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(params) = self.0.transport_parameters()? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        params.write(&mut bytes);
        bytes.extend(HELPS_ITSELF);
        let params = TransportParameters::read(Side::Client, &mut &bytes[..])?;
        Ok(Some(params))
    }

    fn initial_keys(&self, dst_cid: ConnectionId, side: Side) -> Keys {
        self.0.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.0.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.0.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.0.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.0.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.0.read_handshake(buf)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        self.0.write_handshake(buf)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.0.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.0.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.0.export_keying_material(output, label, context)
    }
}
