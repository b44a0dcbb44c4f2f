//! nethical-core
