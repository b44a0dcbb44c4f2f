//! Tests of the spool as a whole.

mod cases;
mod damage;
mod model;
mod sim;
mod threads;
