//! The `mingtang` command: everything it does is in [`mingtang::shell`].

fn main() -> std::process::ExitCode {
    mingtang::shell::cli::main()
}
