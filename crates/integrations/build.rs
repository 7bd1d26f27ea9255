//! Rebuilds the crate when a built-in integration is added or changed.

fn main() {
    println!("cargo:rerun-if-changed=../../integrations");
}
