//! auditcast
fn main() {}
