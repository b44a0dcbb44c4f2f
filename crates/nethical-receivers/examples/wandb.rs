//! The W&B receiver as a program of its own: prints its address and serves until it is ended.
//!
//! ```console
//! $ cargo run --release -p nethical-receivers --example wandb
//! http://127.0.0.1:40123
//! ```

#![allow(clippy::print_stdout, missing_docs, reason = "a tool")]

fn main() -> std::io::Result<()> {
    let server = nethical_receivers::wandb::Wandb::start()?;
    println!("{}", server.url());
    loop {
        std::thread::park();
    }
}
