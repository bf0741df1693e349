//! Arguments of a method.

use std::sync::Arc;

use crate::account::Account;
use crate::state::{Caller, State};
use crate::token::Scope;

/// Authenticated call.
pub(super) struct Call<'a> {
    pub(super) state: &'a State,
    pub(super) account: Arc<Account>,
    /// Run in the token's `scp` claim.
    pub(super) run: String,
    /// Cache scopes of the `ac` claim, in search order.
    pub(super) scopes: Vec<Scope>,
    pub(super) caller: Caller<'a>,
    pub(super) body: &'a [u8],
}
