//! The calls of the class that concern sessions of browsers. A session's id is one of connections, and their calls work with it.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::core::Core;
use crate::encode;

#[wasm_bindgen]
impl Core {
    /// Answers a `SESSION_REQUESTED` record with an HTTP status; false when the question is no longer open.
    pub fn answer_session(&mut self, now: f64, session: u32, status: u16) -> bool {
        self.peer.advance(now);
        self.peer.answer_session(session, status)
    }

    /// Writes what browsers know this peer by to the output buffer: nothing when there is no listener.
    pub fn web_transport_certificates(&mut self, now: f64) -> u32 {
        self.peer.advance(now);
        self.output.clear();
        if let Some(hashes) = self.peer.web_transport_certificates() {
            encode::certificates(&mut self.output, &hashes);
        }
        self.output.len() as u32
    }
}
