//! Tests of the spool as a whole.

mod model;
mod sim;
