//! nethical-destinations
