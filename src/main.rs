//! The `braid` server.
use braid::persist::{self, check::Asked};
use braid::{cli, config, log, memory, server, signals};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

#[global_allocator]
static ALLOCATOR: memory::Jemalloc = memory::Jemalloc;

fn main() -> ExitCode {
    abort_on_panic();
    let arguments: Vec<_> = std::env::args_os().collect();
    match cli::check::asked(&arguments) {
        Some(Ok(asked)) => return check(&asked),
        Some(Err(stop)) => return stop.report(),
        None => {}
    }
    let config = match cli::configure(arguments, &mut std::io::stdin()) {
        Ok(config) => config,
        Err(stop) => return stop.report(),
    };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            text.lines().for_each(|line| log::warning(format_args!("{line}")));
            ExitCode::FAILURE
        }
    }
}

fn check(asked: &Asked) -> ExitCode {
    // There is nobody to tell if the terminal is gone.
    match persist::check::check(asked, &mut std::io::stdout(), &mut std::io::stdin().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Half an effect is never served, however the server was built: profiles of tests unwind.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

fn serve(config: config::Config) -> Result<(), String> {
    std::env::set_current_dir(&config.dir)
        .map_err(|error| format!("Can't chdir to '{}': {error}", config.dir))?;
    log::open(&config)?;
    log::notice(format_args!(
        "Braid {} (compatible with Redis {}) starting, pid {}",
        config::version::BRAID_VERSION,
        config::version::REDIS_VERSION,
        std::process::id()
    ));
    let in_vain = config::pending::asked_in_vain(&config);
    if !in_vain.is_empty() {
        log::warning(format_args!("Not done by this version yet, and ignored: {}", in_vain.join(", ")));
    }
    let pidfile = write_pidfile(&config.pidfile);
    let signals = signals::Signals::block()?;
    let port = config.port;
    log::set_role(log::Role::Primary);
    let mut running = server::start(config)?;
    signals.stop_on_signal(std::sync::Arc::clone(&running.shared))?;
    log::notice(format_args!(
        "Running with {} shard{}, port {port}",
        running.shared.shard_count(),
        if running.shared.shard_count() == 1 { "" } else { "s" },
    ));
    let loaded = running.wait_until_loaded();
    if running.shared.stopping.load(Ordering::Relaxed) && loaded.is_err() {
        log::warning(format_args!("Asked to stop during loading, exiting now."));
        return Ok(());
    }
    loaded?;
    log::notice(format_args!("Ready to accept connections"));
    running.join()?;
    if let Some(path) = pidfile
        && let Err(error) = std::fs::remove_file(&path)
    {
        log::warning(format_args!("Can't remove the PID file {path}: {error}"));
    }
    log::notice(format_args!("Braid is now ready to exit, bye bye..."));
    Ok(())
}

/// Writes the file with the process's number; gives back its path, to be removed at the end.
fn write_pidfile(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    match std::fs::write(path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(path.to_owned()),
        Err(error) => {
            log::warning(format_args!("Failed to write PID file {path}: {error}"));
            None
        }
    }
}
