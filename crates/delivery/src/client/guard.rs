//! Which addresses deliveries may reach.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU16,
    str::FromStr,
};

use ipnet::IpNet;

/// A range of addresses that is open although it is not public: all ports of it, or one.
///
/// Text form: `10.0.0.0/8`, `10.1.2.3`, `10.0.0.0/8:8088`, `[fd00::/8]:8088`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedRange {
    range: IpNet,
    port: Option<NonZeroU16>,
}

/// A text that is no [`AllowedRange`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowedRangeError {
    /// Not a range, or not a port after it.
    #[error(
        "must be an address range, such as 10.0.0.0/8 or ::1, with or without a port: 10.0.0.0/8:8088, [fd00::/8]:8088"
    )]
    Form,
    /// An address with bits beyond its prefix, which is likely a slip.
    #[error("has bits beyond its prefix; the range is {0}")]
    Bits(IpNet),
}

impl FromStr for AllowedRange {
    type Err = AllowedRangeError;

    fn from_str(text: &str) -> Result<Self, AllowedRangeError> {
        let form = AllowedRangeError::Form;
        let (range, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").map(|(range, port)| (range, Some(port))).ok_or(form.clone())?,
            // A second colon is one of an IPv6 address.
            None if text.matches(':').count() == 1 => {
                text.split_once(':').map(|(range, port)| (range, Some(port))).ok_or(form.clone())?
            }
            None => (text, None),
        };
        let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
        let read = |port: &str| Some(port).filter(is_number).and_then(|port| port.parse().ok());
        let port = port.map(|port| read(port).ok_or(form.clone())).transpose()?;
        let parsed = range.parse::<IpNet>().or_else(|_| range.parse::<IpAddr>().map(IpNet::from));
        let range = parsed.map_err(|_| form)?;
        if range != range.trunc() {
            return Err(AllowedRangeError::Bits(range.trunc()));
        }
        Ok(Self { range, port })
    }
}

impl fmt::Display for AllowedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.range, self.port) {
            (range, None) => write!(f, "{range}"),
            (IpNet::V4(range), Some(port)) => write!(f, "{range}:{port}"),
            (IpNet::V6(range), Some(port)) => write!(f, "[{range}]:{port}"),
        }
    }
}

/// Refuses addresses that are not public, but for the ranges that the operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressGuard {
    allowed: Vec<AllowedRange>,
}

impl AddressGuard {
    /// A guard that also lets these ranges pass.
    pub fn allowing(ranges: Vec<AllowedRange>) -> Self {
        Self { allowed: ranges }
    }

    /// Whether a delivery may connect to this address and port.
    pub fn permits(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        let is_open = |allowed: &AllowedRange| {
            allowed.range.contains(&address) && allowed.port.is_none_or(|open| open.get() == port)
        };
        self.allowed.iter().any(is_open) || is_public(address)
    }
}

/// Whether anybody could reach this address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Source: IANA IPv4 special-purpose address registry; multicast and reserved space beside it.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 192 && b == 31 && c == 196) // AS112
        || (a == 192 && b == 52 && c == 193) // AMT
        || (a == 192 && b == 175 && c == 48) // AS112
        || (a == 198 && (18..20).contains(&b)); // benchmarks
    !special
}

/// Source: IANA IPv6 special-purpose address registry. Only 2000::/3 is routed publicly;
/// within it, forms that carry an IPv4 address could hide a private one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let is_global_unicast = first & 0xe000 == 0x2000;
    let special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) // protocols, Teredo; documentation
        || first == 0x2002 // 6to4
        || (first == 0x2620 && second == 0x004f && third == 0x8000) // AS112
        || (first == 0x3fff && second < 0x1000); // documentation
    is_global_unicast && !special
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{AddressGuard, AllowedRange, AllowedRangeError};

    fn permits(guard: &AddressGuard, address: &str) -> bool {
        guard.permits(address.parse::<IpAddr>().expect("is an address"), 443)
    }

    #[test]
    fn only_public_addresses_are_reached() {
        let guard = AddressGuard::default();
        for public in ["8.8.8.8", "93.184.216.34", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(permits(&guard, public), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits(&guard, special), "{special}");
        }
    }

    #[test]
    fn the_operator_opens_ranges_and_nothing_beside_them() {
        let range = |text: &str| text.parse().expect("is a range");
        let guard = AddressGuard::allowing(vec![range("10.2.0.0/16"), range("::1/128")]);
        for (address, expected) in
            [("10.2.3.4", true), ("::ffff:10.2.3.4", true), ("10.3.0.1", false), ("::1", true), ("127.0.0.1", false)]
        {
            assert_eq!(permits(&guard, address), expected, "{address}");
        }
    }

    #[test]
    fn a_range_with_a_port_opens_that_port_alone() {
        let range = |text: &str| text.parse().expect("is a range");
        let guard = AddressGuard::allowing(vec![range("10.2.0.0/16:8088"), range("[fd00::/8]:8088")]);
        let permits = |address: &str, port| guard.permits(address.parse().expect("is an address"), port);
        for address in ["10.2.3.4", "::ffff:10.2.3.4", "fd00::1"] {
            assert_eq!((permits(address, 8088), permits(address, 443)), (true, false), "{address}");
        }
        assert!(permits("8.8.8.8", 443) && !permits("10.3.0.1", 8088));
    }

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("fd00::/8", "fd00::/8"),
            ("10.1.2.3:80", "10.1.2.3/32:80"),
            ("[fd00::/8]:65535", "[fd00::/8]:65535"),
        ] {
            assert_eq!(text.parse::<AllowedRange>().expect("is a range").to_string(), shown);
        }
        for text in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.0/8:",
            "10.0.0.0/8:0",
            "10.0.0.0/8:+1",
            "10.0.0.0/8:65536",
            "[::1]",
            "[::1]80",
        ] {
            assert_eq!(text.parse::<AllowedRange>(), Err(AllowedRangeError::Form), "{text}");
        }
        let slip = "10.0.0.1/8".parse::<AllowedRange>();
        assert_eq!(slip, Err(AllowedRangeError::Bits("10.0.0.0/8".parse().expect("is a range"))));
    }
}
