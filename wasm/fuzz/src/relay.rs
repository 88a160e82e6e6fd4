//! Targets for the messages between a client and a relay.

use anypath_wire::id::ID_LENGTH;
use anypath_wire::relay::handshake::{ClientAuth, ServerHandshake};
use anypath_wire::relay::{ClientMessage, Datagrams, MAX_BODY, RelayMessage, Version};

const ECN_BYTE: usize = 1 + ID_LENGTH;

/// The handshake, read as by a client and as by a relay.
pub fn relay_handshake(data: &[u8]) {
    if let Ok(message) = ServerHandshake::decode(data) {
        let mut written = Vec::new();
        assert_eq!(message.encode(&mut written), Ok(()));
        assert!(written.len() <= data.len());
        assert_eq!(ServerHandshake::decode(&written), Ok(message));
    }
    if let Ok(auth) = ClientAuth::decode(data) {
        let mut written = Vec::new();
        auth.encode(&mut written);
        assert!(written.len() <= data.len());
        assert_eq!(ClientAuth::decode(&written), Ok(auth));
    }
}

/// A message from a client that was let in.
pub fn client_to_relay(data: &[u8]) {
    let Ok(message) = ClientMessage::decode(data) else {
        return;
    };
    let mut written = Vec::new();
    assert_eq!(message.encode(&mut written), Ok(()));
    assert_eq!(written.len(), message.encoded_len());
    assert_eq!(ClientMessage::decode(&written), Ok(message));
    assert_canonical(&written, data);
    if let ClientMessage::Datagrams { datagrams, .. } = message {
        datagrams_hold(&datagrams);
    }
}

/// A message from a relay to a client that was let in, in both versions.
pub fn relay_to_client(data: &[u8]) {
    for version in Version::ALL {
        let Ok(message) = RelayMessage::decode(version, data) else {
            continue;
        };
        let mut written = Vec::new();
        assert_eq!(message.encode(version, &mut written), Ok(()));
        assert_eq!(written.len(), message.encoded_len());
        assert_eq!(RelayMessage::decode(version, &written), Ok(message));
        assert_canonical(&written, data);
        if let RelayMessage::Datagrams { datagrams, .. } = message {
            datagrams_hold(&datagrams);
        }
    }
}

/// What is written is shorter than what was read, or the same up to unused bits of the ECN byte.
fn assert_canonical(written: &[u8], read: &[u8]) {
    assert!(written.len() <= read.len().min(1 + MAX_BODY));
    if written.len() < read.len() {
        return;
    }
    let has_ecn = matches!(read.first(), Some(4..=7));
    for (at, (written, read)) in written.iter().zip(read).enumerate() {
        assert!(written == read || (has_ecn && at == ECN_BYTE && *written == read & 0b11));
    }
}

fn datagrams_hold(datagrams: &Datagrams<'_>) {
    let packets = datagrams.packets();
    let (count, mut bytes) = (packets.len(), 0);
    for (index, packet) in packets.enumerate() {
        assert!(!packet.is_empty());
        assert!(
            packet.as_ptr() == datagrams.contents[bytes..].as_ptr(),
            "copied"
        );
        let is_last = index + 1 == count;
        if let Some(size) = datagrams.segment_size {
            let size = usize::from(size.get());
            assert!(packet.len() == size || (is_last && packet.len() < size));
        }
        bytes += packet.len();
    }
    assert_eq!(bytes, datagrams.contents.len());
}
