//! Which addresses are public.
//!
//! Ranges are IANA's special-purpose registries (RFC 6890 and its updates), and the forms in which an IPv6 address carries
//! an IPv4 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 ranges to which nothing is sent: first address and length of the prefix.
const V4: [([u8; 4], u8); 15] = [
    ([0, 0, 0, 0], 8),       // "this network", RFC 791
    ([10, 0, 0, 0], 8),      // private, RFC 1918
    ([100, 64, 0, 0], 10),   // shared by carriers, RFC 6598
    ([127, 0, 0, 0], 8),     // loopback, RFC 1122
    ([169, 254, 0, 0], 16),  // link-local, RFC 3927
    ([172, 16, 0, 0], 12),   // private, RFC 1918
    ([192, 0, 0, 0], 24),    // protocol assignments, RFC 6890
    ([192, 0, 2, 0], 24),    // documentation, RFC 5737
    ([192, 88, 99, 0], 24),  // 6to4 relays, RFC 7526
    ([192, 168, 0, 0], 16),  // private, RFC 1918
    ([198, 18, 0, 0], 15),   // benchmarks, RFC 2544
    ([198, 51, 100, 0], 24), // documentation, RFC 5737
    ([203, 0, 113, 0], 24),  // documentation, RFC 5737
    ([224, 0, 0, 0], 4),     // multicast, RFC 5771
    ([240, 0, 0, 0], 4),     // reserved and broadcast, RFC 1112
];

/// The same for IPv6. `::/8` holds `::`, `::1`, and IPv4 addresses that are mapped, compatible and translated.
const V6: [([u16; 8], u8); 12] = [
    ([0; 8], 8),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), // local translation, RFC 8215
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64),     // discard, RFC 6666
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),    // Teredo and other assignments, RFC 2928
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation, RFC 3849
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),    // 6to4, RFC 3056
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),    // documentation, RFC 9637
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),    // segment routing, RFC 9602
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),     // unique local, RFC 4193
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),    // link-local, RFC 4291
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),    // site-local, RFC 3879
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),     // multicast, RFC 4291
];

/// IPv4 addresses at which clouds hand out credentials. No list of allowed networks opens them.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same for IPv6.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Whether an address belongs to a private, local, reserved or translated network.
pub(super) fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        // What is translated to IPv4 on the way is as public as its end (RFC 6052).
        IpAddr::V6(address) => match well_known_translation(address) {
            Some(inner) => is_special_v4(inner),
            None => V6.iter().any(|&(net, length)| {
                let mask = u128::MAX << (128 - u32::from(length));
                u128::from(address) & mask == u128::from(Ipv6Addr::from(net)) & mask
            }),
        },
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    V4.iter().any(|&(net, length)| {
        let mask = u32::MAX << (32 - u32::from(length));
        u32::from(address) & mask == u32::from(Ipv4Addr::from(net)) & mask
    })
}

/// The IPv4 address in `64:ff9b::/96`.
fn well_known_translation(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// Every IPv4 address that an IPv6 one may stand for.
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let segments = address.segments();
    let last = match segments {
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, _, _, _, _, high, low] => Some(v4(high, low)),
        // Teredo carries the client's address inverted.
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        _ => None,
    };
    let first = match segments {
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    };
    [first, last]
}

/// Whether a cloud hands out credentials at an address, or at one that it carries.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => METADATA_V4.contains(&address),
        IpAddr::V6(address) => {
            METADATA_V6.contains(&address)
                || carried(address).into_iter().flatten().any(|inner| METADATA_V4.contains(&inner))
        }
    }
}
