//! Every target on stable Rust: the files of its corpus, then cases mutated from them.
//!
//! The cases repeat exactly for one seed. `ANYPATH_FUZZ_CASES` sets how many there are for each
//! target (10,000 by default), `ANYPATH_FUZZ_SEED` the seed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use anypath_fuzz::TARGETS;

mod mutation;

use mutation::Mutator;

const DEFAULT_CASES: u64 = 10_000;
const DEFAULT_SEED: u64 = 0x616e_7970_6174_6800;

#[test]
fn every_target_has_a_corpus_and_survives_it() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 3, "{name} has {} seeds", corpus.len());
        for case in &corpus {
            run(name, target, case, "from the corpus");
        }
    }
}

#[test]
fn every_target_has_a_binary_and_every_corpus_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| name.to_string()).collect();
    names.sort();
    assert_eq!(file_stems(&folder.join("corpus")), names);
    assert_eq!(file_stems(&folder.join("fuzz_targets")), names);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
    for name in names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")));
    }
}

#[test]
fn every_target_survives_mutated_and_random_cases() {
    let cases = setting("ANYPATH_FUZZ_CASES", DEFAULT_CASES);
    let seed = setting("ANYPATH_FUZZ_SEED", DEFAULT_SEED);
    println!("ANYPATH_FUZZ_SEED={seed} ANYPATH_FUZZ_CASES={cases}");
    for (name, target) in TARGETS {
        let mut mutator = Mutator::new(seed, corpus(name));
        for index in 0..cases {
            let origin = format!("case {index} of ANYPATH_FUZZ_SEED={seed}");
            run(name, target, &mutator.case(), &origin);
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_cases() {
    let mut first = Mutator::new(7, corpus("ticket"));
    let mut second = Mutator::new(7, corpus("ticket"));
    for _ in 0..100 {
        assert_eq!(first.case(), second.case());
    }
    let mut other = Mutator::new(8, corpus("ticket"));
    assert!((0..10).any(|_| first.case() != other.case()));
}

fn run(name: &str, target: fn(&[u8]), case: &[u8], origin: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(case))) {
        eprintln!("{name} failed on {origin}: {}", case.escape_ascii());
        resume_unwind(panic);
    }
}

/// The seeds of a target, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let entries = fs::read_dir(&folder).expect("a corpus folder for each target");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    let read = |path| fs::read(path).expect("a readable seed");
    paths.iter().map(read).collect()
}

/// The names of the files and folders in `folder` without extensions, sorted.
fn file_stems(folder: &Path) -> Vec<String> {
    let stem = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("a readable folder").path();
        let stem = path.file_stem().expect("a file name");
        stem.to_string_lossy().into_owned()
    };
    let entries = fs::read_dir(folder).expect("a folder");
    let mut stems: Vec<_> = entries.map(stem).collect();
    stems.sort();
    stems
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a whole number"),
        Err(_) => default,
    }
}
