//! The real syslog receivers, run from `target/peers` on free ports of the loopback interface, and what systemd says of
//! units.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nethical_receivers::syslog::tls::Authority;

use crate::until;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// rsyslog.
    Rsyslog,
    /// syslog-ng.
    SyslogNg,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rsyslog, Self::SyslogNg];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsyslog => "rsyslog",
            Self::SyslogNg => "syslog-ng",
        }
    }
}

/// How it is started.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The longest message it takes, bytes.
    pub max_message: usize,
    /// Whether it demands a certificate from the other side.
    pub wants_certificate: bool,
    /// Whether only the text of each message is written, not the whole as JSON.
    pub text_only: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { max_message: 65_536, wants_certificate: false, text_only: false }
    }
}

/// Where it listens. rsyslog finds framing and format out by itself; syslog-ng has a port for each.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// UDP, RFC 3164 (rsyslog: any).
    pub udp: u16,
    /// UDP, RFC 5424.
    pub udp_5424: u16,
    /// TCP, counted RFC 5424 (rsyslog: any).
    pub tcp: u16,
    /// TCP, lines of RFC 5424.
    pub tcp_lf: u16,
    /// TCP, lines of RFC 3164.
    pub tcp_bsd: u16,
    /// TLS, counted RFC 5424.
    pub tls: u16,
}

/// A running receiver; killed when dropped.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    setup: Setup,
    folder: PathBuf,
    ports: Ports,
    child: Child,
}

/// `systemd-analyze`, which reads units without a systemd that runs.
///
/// # Panics
/// If it was not unpacked.
pub fn systemd_analyze() -> Command {
    program(&unpacked(), "usr/bin/systemd-analyze")
}

/// A program of a Debian package that was unpacked, with the libraries beside it.
fn program(root: &Path, path: &str) -> Command {
    let usual = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib/syslog-ng", &format!("usr/{usual}/systemd"), &format!("usr/{usual}"), &usual];
    let folders: Vec<_> = folders.iter().map(|folder| root.join(folder).display().to_string()).collect();
    let mut command = Command::new(root.join(path));
    command.env("LD_LIBRARY_PATH", folders.join(":"));
    command
}

/// The folder under which the programs were unpacked.
///
/// # Panics
/// If they were not.
fn unpacked() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    let peers = target.join("peers");
    for path in ["usr/sbin/rsyslogd", "usr/sbin/syslog-ng", "usr/bin/systemd-analyze"] {
        let path = peers.join(path);
        assert!(path.is_file(), "{} is missing; `cargo xtask peers` unpacks it", path.display());
    }
    peers.canonicalize().unwrap_or(peers)
}

impl Server {
    /// Start one that keeps its files in `folder`, which must live as long.
    ///
    /// # Errors
    /// If there are no ports, or the program cannot be started.
    ///
    /// # Panics
    /// If it was not unpacked, or does not listen within a minute.
    pub fn start(kind: Kind, folder: &Path, setup: Setup) -> io::Result<Self> {
        let ports = free_ports(kind)?;
        if !folder.join("ca.pem").exists() {
            certificates(folder)?;
        }
        fs::write(folder.join("conf"), configuration(kind, folder, &setup, &ports))?;
        let child = spawn(kind, folder)?;
        let server = Self { kind, setup, folder: folder.to_owned(), ports, child };
        server.wait_until_it_listens();
        Ok(server)
    }

    fn wait_until_it_listens(&self) {
        let open = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
        until("the receiver listens (see `log` in its folder)", || {
            open(self.ports.tcp) && open(self.ports.tls) && self.unix().exists()
        });
    }

    /// Kill it as `kill -9` does.
    ///
    /// # Errors
    /// If it has ended by itself.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Start it again on the same ports, with the same file.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart(&mut self) -> io::Result<()> {
        let _ = fs::remove_file(self.unix());
        self.child = spawn(self.kind, &self.folder)?;
        self.wait_until_it_listens();
        Ok(())
    }

    /// Which one it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How it was started.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Where it listens.
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its unix socket for local messages; with `5424` at the end that for RFC 5424.
    pub fn unix(&self) -> PathBuf {
        self.folder.join("unix")
    }

    /// The authority that signed its certificate, and `client.pem` with `client.key` beside it.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The file that it writes.
    pub fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// The lines that it has written, lossily.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read(self.out()).unwrap_or_default();
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let text = text.get(..whole).unwrap_or_default();
        String::from_utf8_lossy(text).split_terminator('\n').map(str::to_owned).collect()
    }

    /// How many lines it has written.
    pub fn count(&self) -> usize {
        let Ok(file) = fs::File::open(self.out()) else { return 0 };
        let (mut reader, mut count) = (BufReader::with_capacity(1 << 20, file), 0);
        while let Ok(buffer) = reader.fill_buf() {
            if buffer.is_empty() {
                break;
            }
            count += buffer.iter().filter(|&&byte| byte == b'\n').count();
            let size = buffer.len();
            reader.consume(size);
        }
        count
    }

    /// Seconds of processor time that it has used.
    pub fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let ticks: f64 =
            rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        ticks / 100.0
    }

    /// Wait until it has written nothing for a while.
    pub fn settle(&self) {
        let mut before = usize::MAX;
        loop {
            let size = fs::metadata(self.out()).map_or(0, |metadata| metadata.len() as usize);
            if size == before {
                return;
            }
            before = size;
            std::thread::sleep(Duration::from_millis(600));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Ports that are free now. rsyslog needs fewer.
fn free_ports(kind: Kind) -> io::Result<Ports> {
    let listeners: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    let ports: Vec<_> =
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<io::Result<_>>()?;
    let [udp, udp_5424, tcp, tcp_lf, tcp_bsd, tls] = ports[..] else {
        return Err(io::ErrorKind::Other.into());
    };
    Ok(match kind {
        Kind::SyslogNg => Ports { udp, udp_5424, tcp, tcp_lf, tcp_bsd, tls },
        Kind::Rsyslog => Ports { udp, udp_5424: udp, tcp, tcp_lf: tcp, tcp_bsd: tcp, tls },
    })
}

fn certificates(folder: &Path) -> io::Result<()> {
    let authority = Authority::new()?;
    fs::write(folder.join("ca.pem"), authority.certificate())?;
    for (name, names) in [("server", &["localhost", "127.0.0.1"][..]), ("client", &["client.test"])] {
        let identity = authority.identity(names)?;
        fs::write(folder.join(format!("{name}.pem")), &identity.certificate)?;
        fs::write(folder.join(format!("{name}.key")), &identity.key)?;
    }
    Ok(())
}

fn configuration(kind: Kind, folder: &Path, setup: &Setup, ports: &Ports) -> String {
    let (text, auth) = match (kind, setup.wants_certificate) {
        (Kind::Rsyslog, false) => (include_str!("rsyslog.conf"), "anon"),
        (Kind::Rsyslog, true) => (include_str!("rsyslog.conf"), "x509/certvalid"),
        (Kind::SyslogNg, false) => (include_str!("syslog-ng.conf"), "optional-untrusted"),
        (Kind::SyslogNg, true) => (include_str!("syslog-ng.conf"), "required-trusted"),
    };
    let shown = folder.display().to_string();
    let words = [
        ("@work@", shown.clone()),
        ("@tls@", shown.clone()),
        ("@out@", format!("{shown}/out")),
        ("@unix@", format!("{shown}/unix")),
        ("@max_message@", setup.max_message.to_string()),
        ("@auth@", auth.to_owned()),
        ("@template@", if setup.text_only { "text" } else { "parsed" }.to_owned()),
        ("@udp@", ports.udp.to_string()),
        ("@udp5424@", ports.udp_5424.to_string()),
        ("@tcp@", ports.tcp.to_string()),
        ("@tcp_lf@", ports.tcp_lf.to_string()),
        ("@tcp_bsd@", ports.tcp_bsd.to_string()),
        ("@tls_port@", ports.tls.to_string()),
    ];
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
}

fn spawn(kind: Kind, folder: &Path) -> io::Result<Child> {
    let root = unpacked();
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
    let mut command = match kind {
        Kind::Rsyslog => {
            let mut command = program(&root, "usr/sbin/rsyslogd");
            command.args(["-n", "-i", "NONE", "-f"]).arg(folder.join("conf"));
            command.env("RSYSLOG_MODDIR", root.join("usr/lib").join(&machine).join("rsyslog"));
            command
        }
        Kind::SyslogNg => {
            let mut command = program(&root, "usr/sbin/syslog-ng");
            command.args(["-F", "--no-caps", "--module-path"]).arg(root.join("usr/lib/syslog-ng/3.38"));
            command.arg("-f").arg(folder.join("conf")).arg("-R").arg(folder.join("persist"));
            command.arg("-c").arg(folder.join("ctl")).arg("-p").arg(folder.join("pid"));
            command
        }
    };
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}
