//! Writes the seeds of all targets into a directory, a directory for each target: where libFuzzer begins.
use std::path::PathBuf;

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("the directory"));
    for target in bodies::TARGETS {
        let directory = directory.join(target.name);
        std::fs::create_dir_all(&directory).expect("a directory");
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number:04}")), seed).expect("a seed");
        }
    }
}
