//! The table for people: what `--help` and `--help-all` say, and the defaults in tuning.md.

use super::file::{DIRECTIVES, Directive};
use super::parameter::{Flags, Group, Parameter};
use super::pending::is_pending;
use super::table::{Config, TABLE};

/// The directives of each chapter with their defaults, as a Markdown table; tuning.md holds it between two marks.
pub fn defaults_markdown() -> String {
    let defaults = Config::default();
    let mut text = String::new();
    for group in Group::ALL {
        text += &format!(
            "### {}\n\n| Directive | Default | Takes | What it does |\n|---|---|---|---|\n",
            group.title()
        );
        for parameter in chapter(group) {
            text += &markdown_row(parameter, &defaults);
        }
        text.push('\n');
    }
    text
}

/// The chapters of directives for `--help`: the main ones, a line each, or with `all` every one with its sentences.
/// Marks headings and names for colour with the escape codes that clap takes away where no terminal shows them.
pub fn directives_help(all: bool) -> String {
    let defaults = Config::default();
    let mut text = String::new();
    for group in Group::ALL {
        let shown: Vec<&Parameter> =
            chapter(group).filter(|parameter| all || parameter.has(Flags::MAIN)).collect();
        if shown.is_empty() {
            continue;
        }
        text += &format!("{HEADING}{}:{PLAIN}\n", group.title());
        for parameter in shown {
            text += &match all {
                true => full_entry(parameter, &defaults),
                false => short_entry(parameter, &defaults),
            };
        }
        text.push('\n');
    }
    if all {
        text += &format!("{HEADING}Directives that act while they are read:{PLAIN}\n");
        text.extend(DIRECTIVES.iter().map(directive_entry));
    }
    text
}

pub(crate) const HEADING: &str = "\x1b[1m\x1b[4m";
pub(crate) const NAME: &str = "\x1b[1m";
pub(crate) const PLAIN: &str = "\x1b[0m";

/// How far the sentences of an entry stand from the margin.
const INDENT: &str = "      ";
const WIDTH: usize = 94;

fn chapter(group: Group) -> impl Iterator<Item = &'static Parameter> {
    TABLE.iter().filter(move |parameter| parameter.group == group && !parameter.has(Flags::HIDDEN))
}

fn markdown_row(parameter: &Parameter, defaults: &Config) -> String {
    let default = match parameter.get(defaults) {
        text if text.is_empty() => "(empty)".to_owned(),
        text => format!("`{text}`"),
    };
    let takes = parameter.form().replace('|', "\\|");
    let doc = parameter.doc.replace('|', "\\|").replace('*', "\\*").replace('<', "\\<");
    let note = match () {
        () if parameter.has(Flags::INERT) => " *No effect in Braid.*",
        () if is_pending(parameter) => " *Not yet.*",
        () => "",
    };
    format!("| `{}` | {default} | {takes} | {doc}{note} |\n", parameter.name)
}

/// What the parameter is for, in half a sentence.
pub(super) fn gist(parameter: &Parameter) -> &'static str {
    let end = parameter.doc.find([';', ':']).into_iter().chain(parameter.doc.find(". ")).min();
    parameter.doc[..end.unwrap_or(parameter.doc.len())].trim_end_matches('.')
}

fn short_entry(parameter: &Parameter, defaults: &Config) -> String {
    let default = parameter.get(defaults);
    let default = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    let not_yet = if is_pending(parameter) { "(not yet) " } else { "" };
    let (usage, names) = usage(parameter);
    format!("  {NAME}{usage}{PLAIN}{default}\n{}{names}", wrapped(&format!("{not_yet}{}", gist(parameter))))
}

fn full_entry(parameter: &Parameter, defaults: &Config) -> String {
    let mut notes = vec![format!("default: {}", shown(&parameter.get(defaults)))];
    notes.extend(parameter.aliases.iter().map(|alias| format!("also: {alias}")));
    for (flag, note) in [
        (Flags::IMMUTABLE, "fixed at the start"),
        (Flags::INERT, "no effect in Braid"),
        (Flags::OURS, "Braid's own"),
    ] {
        notes.extend(parameter.has(flag).then(|| note.to_owned()));
    }
    notes.extend(is_pending(parameter).then(|| "not yet".to_owned()));
    let (usage, names) = usage(parameter);
    format!(
        "  {NAME}{usage}{PLAIN}\n{}{}{names}",
        wrapped(&format!("[{}]", notes.join("; "))),
        wrapped(parameter.doc)
    )
}

/// How the directive is written, and its choices in lines of their own if they are too many for that.
fn usage(parameter: &Parameter) -> (String, String) {
    const FORM_MAX: usize = 60;
    let form = parameter.form();
    if form.len() <= FORM_MAX {
        return (format!("--{} <{form}>", parameter.name), String::new());
    }
    (format!("--{} <name>", parameter.name), wrapped(&format!("One of: {}", form.replace('|', ", "))))
}

fn directive_entry(directive: &Directive) -> String {
    format!("  {NAME}{} <{}>{PLAIN}\n{}", directive.name, directive.form, wrapped(directive.doc))
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "\"\"" } else { text }
}

/// A paragraph under an entry, in lines that fit.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && INDENT.len() + line.len() + 1 + word.len() > WIDTH {
            lines += &format!("{INDENT}{line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &format!("{INDENT}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_in_the_manual_unless_hidden() {
        let (markdown, help) = (defaults_markdown(), directives_help(true));
        for parameter in TABLE {
            let shown = !parameter.has(Flags::HIDDEN);
            assert_eq!(markdown.contains(&format!("| `{}` |", parameter.name)), shown, "{}", parameter.name);
            assert_eq!(help.contains(&format!("--{} <", parameter.name)), shown, "{}", parameter.name);
        }
    }

    #[test]
    fn rows_and_entries_say_name_default_and_purpose() {
        let markdown = defaults_markdown();
        assert!(
            markdown.contains("| `appendfsync` | `everysec` | everysec\\|always\\|no | When the journal")
        );
        assert!(markdown.contains("| `requirepass` | (empty) | text |"));
        assert!(
            directives_help(false)
                .contains("--port <0..65535>\x1b[0m [6379]\n      The TCP port to listen on\n")
        );
        assert!(!directives_help(false).contains("--io-threads"));
    }

    #[test]
    fn lines_fit() {
        for line in directives_help(true).lines().filter(|line| line.starts_with(INDENT)) {
            assert!(line.len() <= WIDTH, "{line}");
        }
    }
}
