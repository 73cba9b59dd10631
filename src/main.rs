//! The program: arguments to a command to an exit code.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    taxii_sync::cli::main()
}
