//! Tests of the spool as a whole.

mod cases;
mod damage;
mod handover;
mod model;
mod sim;
mod threads;
