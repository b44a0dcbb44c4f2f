//! A syslog receiver: UDP, TCP with either framing, TLS, unix sockets; and a strict parser.
//!
//! ```
//! use nethical_receivers::syslog::{Receiver, parse};
//! use std::net::UdpSocket;
//!
//! let receiver = Receiver::udp()?;
//! let socket = UdpSocket::bind("127.0.0.1:0")?;
//! socket.send_to(b"<134>1 - host app 7 - - it works", receiver.address())?;
//! let messages = receiver.wait_for(1);
//! assert_eq!(parse(&messages[0]).unwrap().text, "it works");
//! # Ok::<(), std::io::Error>(())
//! ```

mod framing;
mod parse;
mod receiver;
mod shared;
#[cfg(feature = "tls")]
pub mod tls;
mod unix;

pub use self::framing::Frames;
pub use self::parse::{Element, Malformed, Message, parse};
pub use self::receiver::Receiver;
pub use self::unix::UnixReceiver;
