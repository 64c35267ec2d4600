//! A RESP client of its own: sockets that never block, and a scanner that skips replies while judging them.

pub mod connection;
pub mod epoll;
pub mod listeners;
pub mod plain;
pub mod replies;
