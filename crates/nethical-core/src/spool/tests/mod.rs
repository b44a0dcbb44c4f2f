//! Tests of the spool as a whole.

mod cases;
mod damage;
mod handover;
mod model;
mod sim;
pub(crate) mod slow;
mod threads;
