//! The cheapest server there can be on Braid's socket loop: counts commands, answers a constant.

use std::io::{self, Write};
use std::process::ExitCode;

use braid::net::IoKind;
use braid_bench::floor::Floor;
use braid_bench::machine;
use clap::{Parser, ValueEnum};

/// Answers every command with the same reply: what is left when a server does nothing but talk.
#[derive(Debug, Parser)]
#[command(name = "floor", version)]
struct Args {
    /// Port to listen on, on this machine alone
    #[arg(short, long, default_value_t = 21_398)]
    port: u16,
    /// The socket driver
    #[arg(long, value_enum, default_value_t = Io::Auto)]
    io: Io,
    /// The reply
    #[arg(long, value_enum, default_value_t = Reply::Ok)]
    reply: Reply,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Io {
    /// io_uring where it is allowed, else epoll
    Auto,
    /// io_uring or nothing
    Uring,
    /// epoll
    Epoll,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reply {
    /// +OK, as to SET
    Ok,
    /// A bulk string of three bytes, as to GET
    Value,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let kind = match args.io {
        Io::Auto => IoKind::Auto,
        Io::Uring => IoKind::Uring,
        Io::Epoll => IoKind::Epoll,
    };
    let constant: &[u8] = match args.reply {
        Reply::Ok => b"+OK\r\n",
        Reply::Value => b"$3\r\nxyz\r\n",
    };
    let result = machine::allow_descriptors()
        .and_then(|_| Floor::new(kind, args.port, constant))
        .and_then(|mut floor| floor.run());
    if let Err(error) = result {
        // Nobody is there to be told when this fails.
        let _ = writeln!(io::stderr(), "floor: {error}");
    }
    ExitCode::FAILURE
}
