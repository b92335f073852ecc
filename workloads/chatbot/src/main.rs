//! The one binary of the workloads.
fn main() {}
