//! A real deployment in a temporary folder.
