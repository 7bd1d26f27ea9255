//! Which addresses deliveries may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Refuses addresses that are not public, but for the ranges that the operator allows.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allowed: Vec<IpNet>,
}

impl AddressGuard {
    /// A guard that also lets these ranges pass.
    pub fn allowing(ranges: Vec<IpNet>) -> Self {
        Self { allowed: ranges }
    }

    /// Whether a delivery may connect to this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|range| range.contains(&address)) || is_public(address)
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

    use super::AddressGuard;

    fn permits(guard: &AddressGuard, address: &str) -> bool {
        guard.permits(address.parse::<IpAddr>().expect("is an address"))
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
}
