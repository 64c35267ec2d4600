//! What is asked of a server: units (a command, or several sent together), how often each, and of which keys.

pub mod expected;
pub mod keys;
pub mod mix;
pub mod template;

pub use keys::{Distribution, Keys};
pub use mix::Workload;
pub use template::{KeyShape, Template};
