//! Connection ids that repeat in a simulation and are recognised after a restart.

use std::hash::{DefaultHasher, Hash, Hasher};

use noq_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const NONCE_LENGTH: usize = 4;
const TAG_LENGTH: usize = 4;

/// Eight bytes: a random nonce and a keyed tag of it.
///
/// The tag lets an endpoint that has just restarted tell packets of its earlier connections, which it
/// answers with a stateless reset, from noise, which it drops. So the key has to outlive the process.
pub(crate) struct SeededConnectionIds {
    rng: StdRng,
    key: [u8; 16],
}

impl SeededConnectionIds {
    pub(crate) fn new(seed: [u8; 32], key: [u8; 16]) -> Self {
        let rng = StdRng::from_seed(seed);
        Self { rng, key }
    }

    fn tag(&self, nonce: &[u8]) -> [u8; TAG_LENGTH] {
        // SipHash-1-3 under a key of its own in front: enough to make forging a guess of 1 in 2^32.
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        nonce.hash(&mut hasher);
        let mut tag = [0; TAG_LENGTH];
        tag.copy_from_slice(&hasher.finish().to_le_bytes()[..TAG_LENGTH]);
        tag
    }
}

impl ConnectionIdGenerator for SeededConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; NONCE_LENGTH + TAG_LENGTH];
        self.rng.fill_bytes(&mut bytes[..NONCE_LENGTH]);
        let tag = self.tag(&bytes[..NONCE_LENGTH]);
        bytes[NONCE_LENGTH..].copy_from_slice(&tag);
        ConnectionId::new(&bytes)
    }

    fn validate(&self, cid: ConnectionId) -> Result<(), InvalidCid> {
        match cid.split_at_checked(NONCE_LENGTH) {
            Some((nonce, tag)) if tag == self.tag(nonce) => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        NONCE_LENGTH + TAG_LENGTH
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_repeat_by_seed_and_are_recognised_by_key_alone() {
        let ids = |seed, key| SeededConnectionIds::new([seed; 32], [key; 16]);
        let id = ids(1, 1).generate_cid();
        assert_eq!(id, ids(1, 1).generate_cid());
        assert_ne!(id, ids(2, 1).generate_cid());
        assert!(ids(2, 1).validate(id).is_ok());
        assert!(ids(1, 2).validate(id).is_err());
        assert!(ids(1, 1).validate(ConnectionId::new(&[0; 3])).is_err());
    }
}
