//! nethical-cli

fn main() {}
