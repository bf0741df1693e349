//! What a method is given.

use std::sync::Arc;

use crate::account::Account;
use crate::state::{Caller, State};
use crate::token::Scope;

/// A call whose token was accepted.
pub(super) struct Call<'a> {
    pub(super) state: &'a State,
    pub(super) account: Arc<Account>,
    /// The run of the token's `scp` claim.
    pub(super) run: String,
    /// The cache scopes of its `ac` claim, in search order.
    pub(super) scopes: Vec<Scope>,
    pub(super) caller: Caller<'a>,
    pub(super) body: &'a [u8],
}
