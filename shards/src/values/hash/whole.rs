//! A hash of which is known beforehand how large it becomes.
use super::Hash;
use crate::settings::Settings;

impl Hash {
    /// Takes the form that is due to so many fields.
    pub fn expect(&mut self, count: usize, settings: &Settings) {
        if !self.is_table() && count > settings.hash_listpack_entries_max {
            self.make_table();
        }
    }
}
