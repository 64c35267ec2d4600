//! Messages: who listens to what, and how what is published reaches them.
//!
//! ```text
//!   PUBLISH ──lock──→ Exchange: threads with listeners ──→ post of each ──→ Core::hear: connections of the thread
//! ```
//!
//! **One order for all** (rule R5). A message is posted to all its threads under one lock, so any two messages are in the
//! same order in every post. A thread takes what is in its post under the same lock: it hears nothing whose posting is not
//! complete. So nobody who heard a message can act before it is in everybody's post.
//!
//! **Between effects.** Whoever sees an effect that came after a message must have heard the message before. A thread looks into its
//! post when it takes up a strand, when it has taken requests from a queue and before it runs them, when it has taken
//! mail and before it reads it, and before it carries out what a client has sent. What a client has heard and then did came through one of these, and a message that it heard was in
//! every post by then.
//!
//! **In the order of the publisher.** PUBLISH is carried out at once, on the connection's thread; what the connection sent before is
//! entered then, but perhaps not carried out. And what a transaction or a script publishes is published where that runs: such a unit
//! may stand in a queue before what the connection sent, which so comes after it, and have published nothing yet. So what publishes, in
//! whichever way, waits until all that is before it on the same connection is answered; and so does what comes behind a transaction or
//! script that publishes and is unanswered, for who sees its effect may publish before that does.
//!
//! **Events of keys** are messages that whoever runs a command publishes while the shards are in its hand, when what it did stands in
//! the journals: until then they are in its [`Outbox`], as is what a transaction or script publishes. What a unit has to tell comes in one
//! piece. (How many a PUBLISH within one reaches is how many there are when it is carried out; who is told is who listens when the unit
//! ends, if anybody listened to anything when it published first.) While somebody may listen,
//! a connection awaits its replies before it changes shard ([`crate::dispatch`]), and writes over several shards are gathered.
//!
//! **Onlookers.** A line for monitors and an invalidation are posted like that too: so all monitors see one order, which is one of the effects, and whoever sees a write has its invalidation
//! before. While somebody looks on, commands keep to the order that holds for events; while it is a monitor, those that
//! span shards are gathered, reads too, so that each is one line. Nobody looking on costs a load of a line that nobody writes.
//!
//! **To one client.** What is heard is put behind the replies that its connection still awaits: those commands were entered
//! before. The connection that is being served meanwhile gets it as soon as the command at hand is entered.
mod ending;
mod exchange;
mod hearing;
mod notify;
mod onlooker;
mod outbox;
mod tracking;

pub use exchange::{Exchange, Kind, Message, Post};
pub use hearing::{Hearing, Subscriptions};
pub(crate) use notify::{Outside, classes_of};
pub use onlooker::{Author, Transcript};
pub(crate) use onlooker::{is_shown, line};
pub(crate) use outbox::Outbox;
pub use outbox::Tale;
pub use tracking::{Changes, Invalidation, News, Place, Redirect, Tracker};
