//! A client that waits for each reply: for questions before and after a measurement, never within one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::commands;

/// A connection that asks one thing at a time.
#[derive(Debug)]
pub struct Plain {
    stream: BufReader<TcpStream>,
}

impl Plain {
    /// Connects; every later step gives up after `patience`.
    ///
    /// # Errors
    /// When there is no server.
    pub fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The socket, for other uses.
    ///
    /// # Errors
    /// When bytes have come that nobody has read.
    pub fn into_stream(self) -> io::Result<TcpStream> {
        if !self.stream.buffer().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server said more than it was asked"));
        }
        Ok(self.stream.into_inner())
    }

    /// Sends a command and gives its reply as text: the text of a simple reply, an integer or a bulk, `(nil)`,
    /// or the lines of an aggregate's values.
    ///
    /// # Errors
    /// The connection's, and the server's error reply as [`io::ErrorKind::Other`].
    pub fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        let mut request = Vec::new();
        commands::write(&mut request, words);
        self.stream.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let garbage = || io::Error::new(io::ErrorKind::InvalidData, format!("not a reply: {line:?}"));
        let (mark, text) = line.split_at_checked(1).ok_or_else(garbage)?;
        match mark {
            "+" | ":" | "," | "#" | "(" => Ok(text.to_owned()),
            "-" => Err(io::Error::other(text.to_owned())),
            "_" => Ok("(nil)".to_owned()),
            "$" | "=" | "!" => self.bulk(text.parse().map_err(|_| garbage())?),
            "*" | "~" | ">" => self.values(text.parse().map_err(|_| garbage())?),
            "%" => self.values(2 * text.parse::<i64>().map_err(|_| garbage())?),
            _ => Err(garbage()),
        }
    }

    fn bulk(&mut self, length: i64) -> io::Result<String> {
        let Ok(length) = usize::try_from(length) else { return Ok("(nil)".to_owned()) };
        let mut payload = vec![0; length + 2];
        self.stream.read_exact(&mut payload)?;
        payload.truncate(length);
        Ok(String::from_utf8_lossy(&payload).into_owned())
    }

    fn values(&mut self, count: i64) -> io::Result<String> {
        let values: io::Result<Vec<String>> = (0..count).map(|_| self.reply()).collect();
        Ok(values?.join("\n"))
    }
}
