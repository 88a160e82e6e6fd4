use anypath_simnet::experiment::{cell, transfer};

/// Milliseconds that 1 MiB takes, with the handshake, by delay in ms, loss in percent and seed.
const SNAPSHOT: [(u64, f64, u64, u64); 6] = [
    (1, 0.0, 1, 114),
    (10, 0.0, 1, 209),
    (10, 1.0, 1, 1_430),
    (50, 0.0, 1, 839),
    (50, 1.0, 2, 9_615),
    (150, 3.0, 1, 35_972),
];

#[test]
fn transfers_take_the_time_that_they_took() {
    let measured = SNAPSHOT.map(|(delay, loss, seed, _)| {
        let outcome = transfer(seed, &cell(delay, loss), 1 << 20);
        let time = outcome.time.map(|micros| micros / 1000);
        (delay, loss, seed, time.unwrap_or(u64::MAX))
    });
    assert_eq!(
        measured, SNAPSHOT,
        "a change of speed is a change of the snapshot"
    );
}
