//! What onlookers want to know of a connection: how its keys are tracked, and whose commands it sends.
use super::Conn;
use crate::pubsub::Author;
use crate::table::table;

/// How a client wants its keys to be tracked.
#[derive(Debug, Default)]
pub struct Tracking {
    /// Those with these prefixes (BCAST), not those it reads.
    pub prefixes: Option<Vec<Box<[u8]>>>,
    /// Which of those it reads.
    pub choice: Choice,
    /// Not when it changes them itself (NOLOOP).
    pub no_loop: bool,
    /// Another client is told (REDIRECT).
    pub redirect: Option<u64>,
    /// That client was gone when it was to be told.
    pub is_broken: bool,
    /// CLIENT CACHING was said of the command that comes.
    pub is_chosen: bool,
}

/// Which of the keys that a client reads are tracked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// All.
    #[default]
    All,
    /// Those of commands of which it said so (OPTIN).
    OptIn,
    /// Those of commands of which it did not say otherwise (OPTOUT).
    OptOut,
}

impl Tracking {
    /// Whether the keys that the command at hand reads are tracked.
    #[must_use]
    pub fn remembers(&self) -> bool {
        let is_wanted = match self.choice {
            Choice::All => true,
            Choice::OptIn => self.is_chosen,
            Choice::OptOut => !self.is_chosen,
        };
        is_wanted && self.prefixes.is_none()
    }
}

impl Conn {
    /// Whether the keys that its command reads are tracked.
    #[inline]
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.session.tracking.as_ref().is_some_and(|tracking| tracking.remembers())
    }

    /// Who monitors are shown as the author of its commands.
    #[must_use]
    pub fn author(&self) -> Author {
        let path = self.peer.address.strip_suffix(":0").filter(|_| self.peer.is_unix);
        let address = path.map_or_else(|| self.peer.address.clone(), |path| format!("unix:{path}"));
        Author { id: self.id, address, is_shown: true, transaction: None }
    }

    /// What CLIENT CACHING said was for the command that has come, or for the whole transaction.
    pub fn end_choice(&mut self) {
        let is_client = |id| table().entry(id).spec.name.starts_with("client");
        if self.session.multi.is_none()
            && !self.last_command.is_some_and(is_client)
            && let Some(tracking) = &mut self.session.tracking
        {
            tracking.is_chosen = false;
        }
    }
}
