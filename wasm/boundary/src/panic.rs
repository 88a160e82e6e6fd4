//! What is left to say after a panic, when the instance can't be used any more.

use std::sync::Mutex;
use std::sync::Once;

use wasm_bindgen::prelude::wasm_bindgen;

/// One instance of the module serves one peer, so this is that peer's own.
static MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Keeps the message of a panic; the default hook would only print it.
pub(crate) fn keep_message() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            if let Ok(mut message) = MESSAGE.lock() {
                *message = info.to_string();
            }
        }));
    });
}

/// What the panic said that has poisoned this instance; empty when there was none.
#[wasm_bindgen]
pub fn panic_message() -> String {
    MESSAGE
        .lock()
        .map(|message| message.clone())
        .unwrap_or_default()
}
