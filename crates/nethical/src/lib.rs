//! nethical
