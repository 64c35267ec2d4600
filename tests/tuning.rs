//! The defaults in tuning.md are those of the server: `UPDATE=1 cargo test --test tuning` writes them anew.
use braid::config::manual::defaults_markdown;

const BEGIN: &str = "<!-- defaults: written by UPDATE=1 cargo test --test tuning -->\n";
const END: &str = "<!-- end of defaults -->\n";
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tuning.md");

#[test]
fn tuning_md_shows_the_defaults() {
    let text = std::fs::read_to_string(PATH).expect("tuning.md");
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the defaults");
    let (written, after) = rest.split_once(END).expect("the mark after the defaults");
    let defaults = defaults_markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, format!("{before}{BEGIN}{defaults}{END}{after}"))
            .expect("tuning.md can be written");
        return;
    }
    for (written, default) in written.lines().zip(defaults.lines()) {
        assert_eq!(written, default, "run UPDATE=1 cargo test --test tuning");
    }
    assert_eq!(written.lines().count(), defaults.lines().count(), "run UPDATE=1 cargo test --test tuning");
}
