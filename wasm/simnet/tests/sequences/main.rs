//! Random sequences of operations on two connected peers, against a model of what streams promise.
//!
//! `SIMNET_SEED` and `SIMNET_CASES` choose other sequences, and more of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod operation;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::model::Pair;
use crate::operation::sequences;

fn from_environment(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn whatever_is_done_to_streams_what_arrives_is_what_was_written() {
    let seed = from_environment("SIMNET_SEED", 1);
    let cases = from_environment("SIMNET_CASES", 192) as u32;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&sequences(), |(network_seed, operations)| {
        let mut pair = Pair::connected(network_seed);
        for operation in &operations {
            pair.perform(operation)?;
            pair.check()?;
        }
        pair.finish()
    });
    if let Err(failure) = outcome {
        panic!("SIMNET_SEED={seed}: {failure}");
    }
}
