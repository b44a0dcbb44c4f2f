"""What Nethical delivers to, by kind."""
