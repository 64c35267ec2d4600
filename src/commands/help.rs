//! The replies of the HELP subcommands.
use shards::reply::Reply;

/// Writes the help of a container: a headline as Redis has it, then the lines, one status each.
pub(super) fn write(reply: &mut Reply, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    reply.status(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| reply.status(line));
    reply.status("HELP");
    reply.status("    Prints this help.");
}
