//! What the fuzz targets share: a filesystem in memory, files whose checksums are right, a server that says anything, and
//! what must hold of an error.

mod check;
mod memory;
mod mend;
mod runs;
mod service;

use nethical_receivers::syslog::tls::Authority;

pub use check::{SECRET, drain, is_sound, knows_secret, open};
pub use memory::Memory;
pub use mend::{cursor, run_log, segment};
pub use runs::{in_mlflow_file, mlflow, offline_wandb, quiet};
pub use service::{Service, answer, pass_on};

/// Write a file, with the folders that it is in.
pub fn put(path: &std::path::Path, text: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("room");
}

/// Nobody but this machine is spoken to, whatever an answer names, and the user's own files are those in `home`. To be
/// called before anything else, with more variables of the environment. The only authority that is trusted is a new one:
/// reading those of the system takes longer than a whole try.
pub fn alone(home: &std::path::Path, more: &[(&str, &str)]) {
    const NOWHERE: &str = "http://127.0.0.1:9";
    let usual = [
        ("HTTP_PROXY", NOWHERE),
        ("HTTPS_PROXY", NOWHERE),
        ("ALL_PROXY", NOWHERE),
        ("NO_PROXY", "127.0.0.1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let trusted = tempfile::NamedTempFile::new().expect("a file").into_temp_path().keep().expect("a file");
    let authority = Authority::new().expect("a key");
    std::fs::write(&trusted, authority.certificate()).expect("room");
    // SAFETY: nothing else of this process runs yet.
    unsafe {
        usual.iter().chain(more).for_each(|(name, value)| std::env::set_var(name, value));
        std::env::set_var("HOME", home);
        std::env::set_var("SSL_CERT_FILE", trusted);
        std::env::remove_var("SSL_CERT_DIR");
    }
}
