//! The driver's side of the connections: a slab whose places the caller chooses.

use super::{GENERATION_MASK, Tag, Token};

/// A state per connection.
pub(super) struct Connections<C> {
    places: Vec<Option<(Token, C)>>,
}

impl<C> Connections<C> {
    pub(super) fn new() -> Self {
        Connections { places: Vec::new() }
    }

    /// Puts a connection into its place, which must be free.
    pub(super) fn insert(&mut self, token: Token, connection: C) -> &mut C {
        let index = token.index as usize;
        if index >= self.places.len() {
            self.places.resize_with(index + 1, || None);
        }
        let place = &mut self.places[index];
        assert!(place.is_none(), "two connections in one place");
        &mut place.insert((token, connection)).1
    }

    pub(super) fn get(&self, token: Token) -> Option<&C> {
        let (tenant, connection) = self.places.get(token.index as usize)?.as_ref()?;
        (*tenant == token).then_some(connection)
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut C> {
        let (tenant, connection) = self.places.get_mut(token.index as usize)?.as_mut()?;
        (*tenant == token).then_some(connection)
    }

    /// The connection that an operation was about, if it is still there.
    pub(super) fn by_tag(&mut self, tag: Tag) -> Option<(Token, &mut C)> {
        let (tenant, connection) = self.places.get_mut(tag.index as usize)?.as_mut()?;
        (tenant.generation & GENERATION_MASK == tag.generation).then_some((*tenant, connection))
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<C> {
        self.get(token)?;
        self.places[token.index as usize].take().map(|(_, connection)| connection)
    }
}
