//! Tests of the spool as a whole.

mod cases;
mod model;
mod sim;
