//! The fuzz targets over their seeds and some thousands of mutants: what libFuzzer runs for hours (`scripts/fuzz`) runs here for
//! seconds, the same ones each time.
#[path = "fuzz/bodies/mod.rs"]
#[expect(unreachable_pub, reason = "for libFuzzer the same files are a library")]
mod bodies;

use bodies::TARGETS;
use bodies::mutants::{Dice, mutant};
use std::path::Path;

/// The target, over its seeds, what once broke it, and mutants of both.
fn try_out(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let mut inputs = (target.seeds)();
    assert!(!inputs.is_empty(), "there is something to begin with");
    inputs.extend(broken_once(name));
    inputs.iter().for_each(|input| (target.run)(input));
    let mut dice = Dice::new(1);
    for number in 0..target.mutants {
        let [one, other] = [0; 2].map(|_| dice.below(inputs.len()));
        let input = mutant(&inputs[one], &inputs[other], &mut dice);
        let tried = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(tried.is_ok(), "{name}, mutant {number}: \"{}\"", input.escape_ascii());
    }
}

/// Inputs that fuzzing found something with, each in a file that is named after what that was.
fn broken_once(name: &str) -> Vec<Vec<u8>> {
    let Ok(files) = std::fs::read_dir(Path::new("tests/fuzz/found").join(name)) else { return Vec::new() };
    files.flatten().map(|file| std::fs::read(file.path()).expect("an input")).collect()
}

#[test]
fn protocol() {
    try_out("protocol");
}

#[test]
fn config() {
    try_out("config");
}

#[test]
fn requests() {
    try_out("requests");
}

#[test]
fn payload() {
    try_out("payload");
}

#[test]
fn files() {
    try_out("files");
}

#[test]
fn journal() {
    try_out("journal");
}

#[test]
fn every_target_is_run() {
    let manifest = std::fs::read_to_string("tests/fuzz/Cargo.toml").expect("the crate of the targets");
    let this = std::fs::read_to_string("tests/fuzz.rs").expect("this file");
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{} is no program", target.name);
        assert!(this.contains(&format!("try_out(\"{}\")", target.name)), "{} is not tried out", target.name);
    }
}
