//! Prints how fast a transfer is by delay, loss and seed.
//!
//! `cargo run -p anypath-simnet -- --seeds 5 --mib 4`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::process::ExitCode;

use anypath_simnet::experiment::{cell, transfer};

const USAGE: &str = "usage: anypath-simnet [--seeds N] [--mib N]";
const DELAYS_MS: [u64; 4] = [1, 10, 50, 150];
const LOSSES_PERCENT: [f64; 5] = [0.0, 0.1, 1.0, 3.0, 10.0];

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)) {
        Some((seeds, mib)) => {
            print_table(seeds, mib << 20);
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut given: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut seeds, mut mib) = (3, 4);
    while let Some(name) = given.next() {
        let value = given.next()?.parse().ok().filter(|value| *value > 0)?;
        match name.as_str() {
            "--seeds" => seeds = value,
            "--mib" => mib = value,
            _ => return None,
        }
    }
    Some((seeds, mib))
}

fn print_table(seeds: u64, bytes: u64) {
    println!(
        "{} MiB over 10 MB/s with a queue of 2 MB; {seeds} seeds",
        bytes >> 20
    );
    println!("delay ms  loss %   seconds (median, worst)   MB/s (median)   sent %   unfinished");
    for delay in DELAYS_MS {
        for loss in LOSSES_PERCENT {
            println!("{}", row(delay, loss, seeds, bytes));
        }
    }
}

fn row(delay: u64, loss: f64, seeds: u64, bytes: u64) -> String {
    let outcomes: Vec<_> = (1..=seeds)
        .map(|seed| transfer(seed, &cell(delay, loss), bytes))
        .collect();
    let mut times: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.time).collect();
    times.sort_unstable();
    let seconds = |time: Option<&u64>| time.map_or(f64::NAN, |time| *time as f64 / 1e6);
    let median = seconds(times.get(times.len() / 2));
    let worst = seconds(times.last());
    let rate = bytes as f64 / median / 1e6;
    let sent = outcomes
        .iter()
        .map(|outcome| outcome.sent_percent)
        .sum::<u64>()
        / seeds;
    let unfinished = outcomes.len() - times.len();
    format!(
        "{delay:8}  {loss:6.1}   {median:11.3} {worst:10.3}   {rate:13.2}   {sent:6}   {unfinished:10}"
    )
}
