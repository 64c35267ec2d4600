//! The log: one line an event, in Redis's format, from any thread.
//!
//! ```text
//! 21387:M 21 Nov 2026 09:47:29.926 * Ready to accept connections
//! pid:role   local time            level message
//! ```
//!
//! A line below the level costs one load. The others are formatted and written at once: the log is for events, not for
//! commands.
#![expect(unsafe_code, reason = "localtime_r: the standard library does not know the time zone")]

use std::borrow::Cow;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::{Config, Loglevel, SyslogFacility};

/// For those who work on the server.
pub fn debug(message: fmt::Arguments<'_>) {
    log(Loglevel::Debug, message);
}

/// Much information, seldom useful, without being as noisy as debug.
pub fn verbose(message: fmt::Arguments<'_>) {
    log(Loglevel::Verbose, message);
}

/// What an operator wants to have read.
pub fn notice(message: fmt::Arguments<'_>) {
    log(Loglevel::Notice, message);
}

/// What an operator must read.
pub fn warning(message: fmt::Arguments<'_>) {
    log(Loglevel::Warning, message);
}

/// Whether a line of this level would be written: ask before collecting what is dear to collect.
pub fn is_enabled(level: Loglevel) -> bool {
    level as u8 >= LEVEL.load(Ordering::Relaxed)
}

/// Follows a configuration: level, file, system log. The error is Redis's text for a file that cannot be written.
pub fn open(config: &Config) -> Result<(), String> {
    let sink = Sink {
        file: (!config.logfile.is_empty()).then(|| PathBuf::from(&config.logfile)),
        syslog: config.syslog_enabled.then(|| Syslog {
            socket: PathBuf::from("/dev/log"),
            ident: config.syslog_ident.clone(),
            facility: config.syslog_facility,
        }),
    };
    sink.check()?;
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
    set_level(config.loglevel);
    Ok(())
}

/// Changes what is written: CONFIG SET loglevel.
pub fn set_level(level: Loglevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Changes the letter behind the process id.
pub fn set_role(role: Role) {
    ROLE.store(role as u8, Ordering::Relaxed);
}

/// What the process is, by the letter its lines carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Still starting.
    Starting = b'C',
    Primary = b'M',
    Replica = b'S',
}

static LEVEL: AtomicU8 = AtomicU8::new(Loglevel::Notice as u8);
static ROLE: AtomicU8 = AtomicU8::new(Role::Starting as u8);
static SINK: RwLock<Sink> = RwLock::new(Sink { file: None, syslog: None });

fn log(level: Loglevel, message: fmt::Arguments<'_>) {
    if !is_enabled(level) {
        return;
    }
    let message = message.as_str().map_or_else(|| Cow::from(message.to_string()), Cow::from);
    let event = Event {
        pid: std::process::id(),
        role: char::from(ROLE.load(Ordering::Relaxed)),
        time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        level,
        message: &message,
    };
    SINK.read().unwrap_or_else(PoisonError::into_inner).write(&event);
}

/// One line to be.
struct Event<'a> {
    pid: u32,
    role: char,
    /// Since the epoch.
    time: Duration,
    level: Loglevel,
    message: &'a str,
}

impl Event<'_> {
    fn line(&self) -> String {
        let Event { pid, role, message, .. } = self;
        let at = local_time(self.time);
        let (month, millisecond) = (MONTHS[at.month], self.time.subsec_millis());
        let mark = match self.level {
            Loglevel::Debug => '.',
            Loglevel::Verbose => '-',
            Loglevel::Notice => '*',
            Loglevel::Warning | Loglevel::Nothing => '#',
        };
        format!(
            "{pid}:{role} {:02} {month} {} {:02}:{:02}:{:02}.{millisecond:03} {mark} {message}\n",
            at.day, at.year, at.hour, at.minute, at.second
        )
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Where lines go.
struct Sink {
    /// None is the standard output.
    file: Option<PathBuf>,
    syslog: Option<Syslog>,
}

impl Sink {
    /// Redis's words if the file cannot be written.
    fn check(&self) -> Result<(), String> {
        let Some(path) = &self.file else { return Ok(()) };
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened
            .map(drop)
            .map_err(|error| format!("Can't open the log file: {}", crate::config::os_text(&error)))
    }

    /// There is nobody to tell that the log itself failed, so such an error ends here.
    fn write(&self, event: &Event<'_>) {
        let line = event.line();
        let _ = match &self.file {
            None => io::stdout().write_all(line.as_bytes()),
            Some(path) => append(path, &line),
        };
        if let Some(syslog) = &self.syslog {
            let _ = syslog.send(event);
        }
    }
}

/// Opens the file for each line, so that whoever renames it gets no more of them.
fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
}

/// The system log, spoken to as the C library does: a datagram a line.
struct Syslog {
    socket: PathBuf,
    ident: String,
    facility: SyslogFacility,
}

impl Syslog {
    fn send(&self, event: &Event<'_>) -> io::Result<()> {
        UnixDatagram::unbound()?.send_to(self.datagram(event).as_bytes(), &self.socket).map(drop)
    }

    fn datagram(&self, event: &Event<'_>) -> String {
        let severity = match event.level {
            Loglevel::Debug => 7,
            Loglevel::Verbose => 6,
            Loglevel::Notice => 5,
            Loglevel::Warning | Loglevel::Nothing => 4,
        };
        let facility = match self.facility {
            SyslogFacility::User => 1,
            local => 16 + local as u32 - SyslogFacility::Local0 as u32,
        };
        let at = local_time(event.time);
        format!(
            "<{}>{} {:2} {:02}:{:02}:{:02} {}[{}]: {}",
            facility << 3 | severity,
            MONTHS[at.month],
            at.day,
            at.hour,
            at.minute,
            at.second,
            self.ident,
            event.pid,
            event.message
        )
    }
}

/// A moment as the clocks on the wall show it.
#[derive(Debug, Default, PartialEq, Eq)]
struct LocalTime {
    year: i32,
    /// From 0.
    month: usize,
    day: i32,
    hour: i32,
    minute: i32,
    second: i32,
}

fn local_time(since_epoch: Duration) -> LocalTime {
    let seconds = libc::time_t::try_from(since_epoch.as_secs()).unwrap_or(libc::time_t::MAX);
    let mut tm = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to values of the right type that live through the call, which keeps neither.
    let converted = unsafe { libc::localtime_r(&raw const seconds, tm.as_mut_ptr()) };
    if converted.is_null() {
        // A year that does not fit its field: no clock shows it.
        return LocalTime::default();
    }
    // SAFETY: all zero bytes were a valid tm already, and localtime_r has filled it.
    let tm = unsafe { tm.assume_init() };
    LocalTime {
        year: tm.tm_year + 1900,
        month: usize::try_from(tm.tm_mon).unwrap_or(0).min(MONTHS.len() - 1),
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(level: Loglevel) -> Event<'static> {
        Event { pid: 42, role: 'M', time: Duration::from_millis(1_795_254_449_026), level, message: "Ready" }
    }

    /// The line without what depends on the machine's time zone.
    fn masked(line: &str) -> String {
        let digits = |byte: char| if byte.is_ascii_digit() { '0' } else { byte };
        line.chars().map(digits).collect::<String>().replace("Nov", "Mon")
    }

    #[test]
    fn lines_look_as_those_of_redis() {
        let line = event(Loglevel::Notice).line();
        assert!(
            line.starts_with("42:M ") && line.contains(" Nov 2026 ") && line.ends_with(".026 * Ready\n"),
            "{line}"
        );
        assert_eq!(masked(&line), "00:M 00 Mon 0000 00:00:00.000 * Ready\n");
        for (level, mark) in
            [(Loglevel::Debug, " . "), (Loglevel::Verbose, " - "), (Loglevel::Warning, " # ")]
        {
            assert!(event(level).line().contains(mark));
        }
    }

    #[test]
    fn local_time_is_within_a_day_of_universal_time() {
        let at = local_time(Duration::from_secs(1_795_219_200 + 12 * 3600)); // noon of 21 November 2026
        assert_eq!((at.year, at.month), (2026, 10));
        assert!((20..=22).contains(&at.day), "{at:?}");
        assert_eq!(at.second, 0);
    }

    #[test]
    fn a_renamed_file_gets_no_more_lines() {
        let path = std::env::temp_dir().join(format!("braid-log-{}", std::process::id()));
        let old = path.with_extension("1");
        let sink = Sink { file: Some(path.clone()), syslog: None };
        assert_eq!(sink.check(), Ok(()));
        sink.write(&event(Loglevel::Notice));
        sink.write(&event(Loglevel::Notice));
        std::fs::rename(&path, &old).unwrap();
        sink.write(&event(Loglevel::Warning));
        let count = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((count(&old), count(&path)), (2, 1));
        std::fs::remove_file(old).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let sink = Sink { file: Some(PathBuf::from("/nonexistent/x")), syslog: None };
        assert_eq!(sink.check(), Err("Can't open the log file: No such file or directory".into()));
    }

    #[test]
    fn the_system_log_hears_priority_and_name() {
        let path = std::env::temp_dir().join(format!("braid-syslog-{}", std::process::id()));
        let listener = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog { socket: path.clone(), ident: "braid".into(), facility: SyslogFacility::Local3 };
        syslog.send(&event(Loglevel::Warning)).unwrap();
        let mut bytes = [0; 200];
        let length = listener.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]);
        assert!(text.starts_with("<156>Nov ") && text.ends_with(" braid[42]: Ready"), "{text}");
        std::fs::remove_file(path).unwrap();
    }
}
