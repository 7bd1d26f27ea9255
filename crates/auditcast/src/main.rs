//! The `auditcast` binary. Everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    auditcast::cli::run()
}
