//! What connections between peers behind NATs come to, for every pair of kinds: a snapshot that repeats to the
//! millisecond. `SIMNET_REWRITE=1 cargo test -p anypath-simnet --test traversal` writes it anew where a change is meant.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::{env, fs};

use anypath_simnet::traversal::{
    Cell, Condition, KINDS, Outcome, cells, line, run, run_all, shortfall,
};

const SEEDS: u64 = 5;

/// How soon every pair has to be connected over the relay, in microseconds.
const CONNECTED_WITHIN: u64 = 2_000_000;

/// Of a thousand runs with loss so many may come later than without: a lost challenge is repeated after 1 s and 3 s.
const LATE_BY_LOSS: usize = 10;

/// How many differences are shown.
const SHOWN: usize = 30;

fn repeat(cell: &Cell) -> String {
    format!("cargo run -p anypath-simnet -- cell {cell}")
}

/// The lines of a table, and those of which something is to be said.
fn table(cells: &[Cell], outcomes: &[Outcome]) -> Vec<String> {
    let rows = cells.chunks(SEEDS as usize);
    let rows = rows.zip(outcomes.chunks(SEEDS as usize));
    rows.map(|(cells, outcomes)| line(cells, outcomes))
        .collect()
}

#[test]
fn every_pair_of_nats_comes_to_what_it_came_to() {
    let cells = cells(SEEDS);
    let outcomes = run_all(&cells);
    let lines = table(&cells, &outcomes);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traversal/outcomes.txt");
    if env::var_os("SIMNET_REWRITE").is_some() {
        return fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    let known = fs::read_to_string(path).unwrap();
    let known: Vec<_> = known.lines().collect();
    assert_eq!(known.len(), lines.len());
    let pairs = known.iter().zip(&lines).zip(cells.chunks(SEEDS as usize));
    let different = pairs.filter(|((known, line), _)| *known != line);
    let different: Vec<_> = different
        .map(|((known, line), cells)| {
            let seed = known
                .split(' ')
                .zip(line.split(' '))
                .skip_while(|(word, _)| !word.ends_with(':'))
                .skip(1)
                .position(|(was, is)| was != is);
            let cell = &cells[seed.unwrap_or(0).min(cells.len() - 1)];
            format!("was {known}\nis  {line}\n    {}", repeat(cell))
        })
        .collect();
    let count = different.len();
    let shown = different.into_iter().take(SHOWN).collect::<Vec<_>>();
    assert!(
        shown.is_empty(),
        "{count} of {} rows differ; seeds 1 to {SEEDS} in their order. If that is meant, run again with \
         SIMNET_REWRITE=1.\n{}",
        known.len(),
        shown.join("\n")
    );
    let faulty = cells.iter().zip(&outcomes).filter(|(_, outcome)| {
        let late = outcome.connected.is_none_or(|time| time > CONNECTED_WITHIN);
        outcome.fault.is_some() || late
    });
    let faulty: Vec<_> = faulty
        .map(|(cell, outcome)| format!("{cell}: {outcome:?}\n    {}", repeat(cell)))
        .collect();
    assert!(faulty.is_empty(), "{}", faulty.join("\n"));
    assert_as_promised(&cells, &outcomes);
}

/// The goal itself, whatever the file says.
fn assert_as_promised(cells: &[Cell], outcomes: &[Outcome]) {
    let runs = || cells.iter().zip(outcomes);
    let short = runs().filter_map(|(cell, outcome)| {
        let why = shortfall(cell, outcome)?;
        let lossy = cell.condition == Condition::Loss;
        Some((lossy, format!("{cell}: {why}\n    {}", repeat(cell))))
    });
    let (lossy, others): (Vec<_>, Vec<_>) = short.partition(|(lossy, _)| *lossy);
    let told = |short: &[(bool, String)]| {
        let lines: Vec<_> = short.iter().map(|(_, line)| line.as_str()).collect();
        lines.join("\n")
    };
    assert!(others.is_empty(), "{}", told(&others));
    let of = runs()
        .filter(|(cell, _)| cell.condition == Condition::Loss)
        .count();
    assert!(
        lossy.len() * 1000 <= of * LATE_BY_LOSS,
        "{} of {of}:\n{}",
        lossy.len(),
        told(&lossy)
    );
}

#[test]
fn a_cell_repeats_exactly() {
    for (number, condition) in Condition::ALL.into_iter().enumerate() {
        let cell = Cell {
            kinds: [KINDS[number], KINDS[7]],
            condition,
            seed: 9,
        };
        assert_eq!(run(&cell), run(&cell), "{cell}");
    }
}
