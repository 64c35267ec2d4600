//! What is made of the calls of [`super::lua`] without more of its library: fields by name, errors of callbacks.
use super::lua::{Index, Lua, Raise};

impl Lua {
    /// Pushes a field of a table.
    pub(super) fn raw_field(self, table: Index, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.raw_get(table);
    }
    /// Takes a value off the stack and puts it into a field of a table.
    pub(super) fn raw_set_field(self, table: Index, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(table);
    }
    /// Pushes `{err = text}`, what errors of commands are.
    pub(super) fn push_error_table(self, text: &[u8]) {
        self.push_table(0, 1);
        self.push_bytes(text);
        self.raw_set_field(-2, "err");
    }
    /// An error whose value is a table with this text.
    pub(super) fn raise_table(self, text: &[u8]) -> Raise {
        self.push_error_table(text);
        Raise
    }
    /// An error of this text, without a place.
    pub(super) fn raise_bare(self, text: &[u8]) -> Raise {
        self.push_bytes(text);
        Raise
    }
    /// An error of this text behind the place in the script that called the running callback.
    pub(super) fn raise(self, text: impl AsRef<[u8]>) -> Raise {
        let mut message = Vec::new();
        if let Some(place) = self.place(1).filter(|place| place.line > 0) {
            message.extend_from_slice(&place.short);
            message.extend_from_slice(format!(":{}: ", place.line).as_bytes());
        }
        message.extend_from_slice(text.as_ref());
        self.push_bytes(&message);
        Raise
    }
    /// An argument of the running callback is not what it should be.
    pub(super) fn raise_argument(self, number: i32, what: &str) -> Raise {
        let name = self.called_as();
        self.raise(format!("bad argument #{number} to '{name}' ({what})"))
    }
    /// An argument has another type than it should have.
    pub(super) fn raise_type(self, number: i32, wanted: &str) -> Raise {
        let found = self.type_name(number);
        self.raise_argument(number, &format!("{wanted} expected, got {found}"))
    }
}
