//! What a peer publishes about itself.

use anypath_wire::info::EndpointInfo;

use super::Peer;
use crate::pkarr::{self, RecordError};

impl Peer {
    /// Signs what is to be published about this peer: see [`pkarr::sign`].
    ///
    /// # Errors
    /// [`RecordError::OtherPeer`] and [`RecordError::Info`].
    pub fn sign_record(
        &self,
        info: &EndpointInfo,
        ttl: u32,
        timestamp: u64,
    ) -> Result<Vec<u8>, RecordError> {
        pkarr::sign(&self.config.secret_key, info, ttl, timestamp)
    }
}
