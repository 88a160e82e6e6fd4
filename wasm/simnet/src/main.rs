//! Prints tables of what peers come to in virtual time.
//!
//! `cargo run -p anypath-simnet -- traversal --seeds 5`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::process::ExitCode;

use anypath_simnet::experiment::{cell, transfer};
use anypath_simnet::traversal::{
    Cell, Condition, KINDS, Need, Outcome, cells, need, network, run_all, run_in, shortfall,
};

const USAGE: &str = "\
usage: anypath-simnet [traversal] [--seeds N]     whether peers behind NATs become direct, and when
       anypath-simnet cell DIALLER LISTENER calm|loss|skew SEED
                                                  one run of that table, with everything that happened
       anypath-simnet transfer [--seeds N] [--mib N]
                                                  how fast a transfer is by delay, loss and seed";
const DELAYS_MS: [u64; 4] = [1, 10, 50, 150];
const LOSSES_PERCENT: [f64; 5] = [0.0, 0.1, 1.0, 3.0, 10.0];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["transfer", options @ ..] => {
            numbers(options, [("--seeds", 3), ("--mib", 4)]).map(|[seeds, mib]| {
                print_transfers(seeds, mib << 20);
            })
        }
        ["cell", dialler, listener, condition, seed] => {
            one(dialler, listener, condition, seed).map(|cell| print_cell(&cell))
        }
        ["traversal", options @ ..] | options => {
            numbers(options, [("--seeds", 5)]).map(|[seeds]| print_traversals(seeds))
        }
    };
    match done {
        Some(()) => ExitCode::SUCCESS,
        None => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// Options that have numbers, or what these are without them.
fn numbers<const N: usize>(given: &[&str], known: [(&str, u64); N]) -> Option<[u64; N]> {
    let mut values = known.map(|(_, value)| value);
    for pair in given.chunks(2) {
        let [name, value] = pair else { return None };
        let place = known.iter().position(|(known, _)| known == name)?;
        values[place] = value.parse().ok().filter(|value| *value > 0)?;
    }
    Some(values)
}

fn one(dialler: &str, listener: &str, condition: &str, seed: &str) -> Option<Cell> {
    let kind = |name| KINDS.into_iter().find(|kind| *kind == name);
    let condition = Condition::ALL
        .into_iter()
        .find(|known| known.to_string() == condition)?;
    Some(Cell {
        kinds: [kind(dialler)?, kind(listener)?],
        condition,
        seed: seed.parse().ok()?,
    })
}

fn print_cell(cell: &Cell) {
    let mut net = network(cell);
    net.transcript.keep_lines();
    let outcome = run_in(&mut net, cell);
    for line in net.transcript.lines() {
        println!("{line}");
    }
    println!("{outcome:?}");
}

/// Direct within its limit in how many of the runs, and the median time, for each pair.
fn print_traversals(seeds: u64) {
    let cells = cells(seeds);
    let outcomes = run_all(&cells);
    println!("{seeds} seeds a cell; each row dials\n");
    for condition in Condition::ALL {
        println!("### {condition}\n\n| | {} |", KINDS.join(" | "));
        println!("|---|{}", "---|".repeat(KINDS.len()));
        for dialler in KINDS {
            let row = KINDS.map(|listener| {
                let of_cell =
                    |cell: &Cell| cell.kinds == [dialler, listener] && cell.condition == condition;
                let runs = cells
                    .iter()
                    .zip(&outcomes)
                    .filter(|(cell, _)| of_cell(cell));
                summary(&runs.collect::<Vec<_>>())
            });
            println!("| {dialler} | {} |", row.join(" | "));
        }
        println!();
    }
    print_shortfalls(&cells, &outcomes);
}

fn summary(runs: &[(&Cell, &Outcome)]) -> String {
    let mut times: Vec<_> = runs.iter().filter_map(|(_, o)| o.direct).collect();
    times.sort_unstable();
    let faults = runs.iter().filter(|(_, o)| o.fault.is_some()).count();
    let fault = match faults {
        0 => String::new(),
        count => format!(" ({count} failed)"),
    };
    let Some(median) = times.get(times.len() / 2) else {
        return format!("relay{fault}");
    };
    let share = if times.len() == runs.len() {
        String::new()
    } else {
        format!("{} %: ", 100 * times.len() / runs.len())
    };
    format!("{share}{}{fault}", median / 1000)
}

/// What fell short, by what would have been needed.
fn print_shortfalls(cells: &[Cell], outcomes: &[Outcome]) {
    for wanted in [Need::Told, Need::Predicted, Need::Birthday, Need::Relay] {
        let of_need = |cell: &Cell| need(cell.kinds[0], cell.kinds[1]) == wanted;
        let runs: Vec<_> = cells
            .iter()
            .zip(outcomes)
            .filter(|(cell, _)| of_need(cell))
            .collect();
        let short = runs
            .iter()
            .filter_map(|(cell, outcome)| Some((cell, shortfall(cell, outcome)?)));
        let short: Vec<_> = short.collect();
        println!(
            "{wanted:?}: {} of {} runs fell short",
            short.len(),
            runs.len()
        );
        for (cell, why) in short.iter().take(50) {
            println!("    {cell}: {why}");
        }
    }
}

fn print_transfers(seeds: u64, bytes: u64) {
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
