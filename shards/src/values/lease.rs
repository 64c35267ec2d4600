//! Lending: a reader on another thread sees a collection as it was, while its owner goes on changing it.
//!
//! The reader gets a [`Loan`] with a list of the collection's pieces, the owner keeps a [`Lease`]. As long as the loan is open the owner changes
//! nothing that the reader may see, and frees none of it:
//! - a piece that is lent (a segment's words, a node's listpack) is copied before it is changed, once;
//! - what is taken out of the collection that may have been lent, the old pieces included, is *retired*: it goes into a ledger that both
//!   ends share, and whoever ends the loan frees it.
//!
//! So one write costs a copy of one piece, however large the collection, and what is not written to is not copied at all. The lists
//! are of addresses: that they stay good is what these two rules are for, and every holder of pieces states how it keeps them.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is not to be freed before the loan ends; nothing once it has.
#[derive(Debug)]
struct Ledger<G>(Mutex<Option<Vec<G>>>);

impl<G> Ledger<G> {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<G>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner's end.
#[derive(Debug)]
pub(crate) struct Lease<G>(Arc<Ledger<G>>);

/// The reader's end: dropping it ends the loan.
#[derive(Debug)]
pub(crate) struct Loan<G>(Arc<Ledger<G>>);

/// Both ends of a new loan.
pub(crate) fn lend<G>() -> (Lease<G>, Loan<G>) {
    let ledger = Arc::new(Ledger(Mutex::new(Some(Vec::new()))));
    (Lease(Arc::clone(&ledger)), Loan(ledger))
}

impl<G> Lease<G> {
    /// Whether the reader has gone.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().is_none()
    }

    /// Something leaves the collection that the reader may see: it is freed when the loan ends.
    pub(crate) fn retire(&self, what: impl IntoIterator<Item = G>) {
        // Freed here, after the lock is given back, if the loan is over.
        let mut what = what.into_iter();
        if let Some(retired) = &mut *self.0.lock() {
            retired.extend(&mut what);
        }
    }
}

impl<G> Drop for Loan<G> {
    fn drop(&mut self) {
        let retired = self.0.lock().take();
        drop(retired);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_retired_is_freed_with_the_loan() {
        let (lease, loan) = lend();
        let thing = Arc::new(());
        lease.retire([Arc::clone(&thing), Arc::clone(&thing)]);
        assert_eq!((Arc::strong_count(&thing), lease.is_over()), (3, false));
        drop(loan);
        assert_eq!((Arc::strong_count(&thing), lease.is_over()), (1, true));
        lease.retire([Arc::clone(&thing)]);
        assert_eq!(Arc::strong_count(&thing), 1);
    }

    #[test]
    fn either_end_may_go_first() {
        let (lease, loan) = lend();
        let thing = Arc::new(());
        lease.retire([Arc::clone(&thing)]);
        drop(lease);
        assert_eq!(Arc::strong_count(&thing), 2);
        drop(loan);
        assert_eq!(Arc::strong_count(&thing), 1);
    }
}
