//! Sites: hosts behind routers, and the way between them and the Internet.
//!
//! ```text
//!  host .100 --.                                       .-- host without a site (a server): at no distance
//!  host .101 --+-- home NAT [-- carrier's NAT] == access link == the Internet
//!                                                      '== access link == [carrier's NAT --] home NAT -- host
//! ```
//!
//! A site's delay and loss are those of its access link, in each direction. Its WebSockets are not translated, but take
//! the same time; where the link is cut they wait until TCP tries again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;

use anypath_peer::carrier::{MAIN_CARRIER, Route};
use anypath_peer::config::PeerConfig;
use anypath_wire::address::{from_mapped, to_mapped};

use crate::link::{Line, Link, LinkCounts};
use crate::nat::{Mapping, Nat, SiteKind};
use crate::simulation::{Delivery, HEADER_BYTES, HostId, Micros, Simulation};

/// A site's number, from 0.
pub type SiteId = usize;

/// The time from a host to another one of its site, or to its router.
const LAN_DELAY: Micros = 200;

/// The port that hosts of sites and servers have.
pub const PORT: u16 = 4433;

/// A place with an access to the Internet.
#[derive(Debug)]
pub(crate) struct Site {
    /// The routers on the way out, the home's first.
    nats: Vec<Nat>,
    /// Who has an address there, and on which carrier.
    lan: BTreeMap<SocketAddrV6, (HostId, u32)>,
    hosts: u8,
    up: Line,
    down: Line,
}

impl Site {
    /// Whether a packet on the Internet that is sent there comes to this site.
    fn is_at(&self, to: SocketAddrV6) -> bool {
        let public = self
            .nats
            .iter()
            .all(|nat| nat.kind().mapping == Mapping::None);
        let outermost = self.nats.last();
        public && self.lan.contains_key(&to)
            || !public && ipv4(to).is_some_and(|to| outermost.is_some_and(|nat| nat.owns(*to.ip())))
    }
}

/// Where a packet is after the routers of its site.
enum Left {
    /// On the Internet, with that source.
    Out(SocketAddrV4),
    /// It turned, and is for a host of the site: source and destination.
    Back(SocketAddrV4, SocketAddrV4),
}

impl Simulation {
    /// Adds a site behind NATs of that kind, whose access link is `access` each way.
    ///
    /// The first has the outside address 198.51.100.10 and the network 192.168.1.0/24, the second 192.0.2.10 and
    /// 192.168.2.0/24, as in the laboratory, and further ones 198.18.n.10 and 192.168.n.0/24. Where there is no
    /// translation, hosts have public addresses from .200 on.
    pub fn add_site(&mut self, kind: SiteKind, access: &Link) -> SiteId {
        let id = self.sites.len();
        let seed = self.seed() ^ ((id as u64 + 1) << 40);
        let home_wan = match kind.carrier {
            Some(_) => Ipv4Addr::new(100, 64, id as u8, 10),
            None => wan(id, 10),
        };
        let mut nats = vec![Nat::new(kind.home, home_wan, seed)];
        let carrier = kind.carrier;
        nats.extend(carrier.map(|kind| Nat::new(kind, wan(id, 10), seed ^ 0xca)));
        self.sites.push(Site {
            nats,
            lan: BTreeMap::new(),
            hosts: 0,
            up: Line::new(access.clone(), seed ^ 1),
            down: Line::new(access.clone(), seed ^ 2),
        });
        id
    }

    /// Adds a host at a site, with the next address there.
    pub fn add_host_at(&mut self, site: SiteId, config: PeerConfig) -> HostId {
        let host = self.add_host_with(config);
        self.enter_site(host, site);
        host
    }

    /// Adds a host on the Internet, at no distance from where it begins, at that address and [`PORT`].
    pub fn add_server(&mut self, ip: [u8; 4], config: PeerConfig) -> HostId {
        let host = self.add_host_with(config);
        self.move_host(host, crate::simulation::address(ip, PORT), false);
        host
    }

    /// Moves a host to a site, where its main socket gets the next address; the peer is not told.
    pub fn enter_site(&mut self, host: HostId, site: SiteId) {
        let before = self.address_of(host);
        self.unbind_of(host, before);
        let entry = &mut self.sites[site];
        let home = entry.nats[0].kind();
        let n = entry.hosts;
        entry.hosts += 1;
        let ip = match home.mapping {
            Mapping::None => wan(site, 200 + n),
            _ => Ipv4Addr::new(192, 168, site as u8 + 1, 100 + n),
        };
        self.hosts[host].site = Some(site);
        self.bind(host, MAIN_CARRIER, mapped(SocketAddrV4::new(ip, PORT)));
        self.feel_distance(host);
    }

    /// The site of a host.
    pub fn site_of(&self, host: HostId) -> Option<SiteId> {
        self.hosts[host].site
    }

    /// The routers of a site, the home's first.
    pub fn nats(&mut self, site: SiteId) -> &mut [Nat] {
        &mut self.sites[site].nats
    }

    /// Every router of a site forgets its mappings.
    pub fn reboot_site(&mut self, site: SiteId) {
        for nat in self.nats(site) {
            nat.reboot();
        }
    }

    /// Gives a site another outside address: .11 in place of .10, and back.
    pub fn renumber_site(&mut self, site: SiteId) {
        if let Some(nat) = self.nats(site).last_mut() {
            let last = if nat.wan().octets()[3] == 10 { 11 } else { 10 };
            nat.renumber(wan(site, last));
        }
    }

    /// Replaces a site's access link in both directions.
    pub fn set_access(&mut self, site: SiteId, access: &Link) {
        self.sites[site].up.link = access.clone();
        self.sites[site].down.link = access.clone();
        for host in 0..self.hosts.len() {
            if self.hosts[host].site == Some(site) {
                self.feel_distance(host);
            }
        }
    }

    /// Cuts a site off for that time.
    pub fn cut_off(&mut self, site: SiteId, span: Range<Micros>) {
        let mut access = self.sites[site].up.link.clone();
        access.outages.push(span);
        self.set_access(site, &access);
    }

    /// What a site's access link did, upwards and downwards.
    pub fn access_counts(&self, site: SiteId) -> [LinkCounts; 2] {
        let site = &self.sites[site];
        [site.up.counts, site.down.counts]
    }

    /// Tells the relays how far away a host is.
    fn feel_distance(&mut self, host: HostId) {
        if let Some(site) = self.hosts[host].site {
            let link = &self.sites[site].up.link;
            let (delay, outages) = (link.delay, link.outages.clone());
            self.relays.set_distance(host, delay, outages);
        }
    }

    /// A host of a site sends a datagram.
    pub(crate) fn leave_site(
        &mut self,
        site: SiteId,
        from: SocketAddrV6,
        to: SocketAddrV6,
        datagram: Vec<u8>,
    ) {
        let now = self.now();
        if self.sites[site].lan.contains_key(&to) {
            return self.arrive(now + LAN_DELAY, site, from, to, datagram);
        }
        let (Some(source), Some(destination)) = (ipv4(from), ipv4(to)) else {
            return;
        };
        match self.pass_routers(site, source, destination) {
            None => self
                .transcript
                .add(format_args!("{now} site {site} drops {source} > {to}")),
            Some(Left::Back(source, inside)) => {
                let (source, inside) = (mapped(source), mapped(inside));
                self.arrive(now + 2 * LAN_DELAY, site, source, inside, datagram);
            }
            Some(Left::Out(source)) => {
                let bytes = datagram.len() + HEADER_BYTES;
                let arrivals = self.sites[site].up.carry(now, bytes);
                if arrivals.is_empty() {
                    self.transcript.add(format_args!(
                        "{now} site {site} loses {source} > {destination}"
                    ));
                }
                for at in arrivals {
                    let datagram = datagram.clone();
                    let from = mapped(source);
                    self.schedule(at, Delivery::Internet { from, to, datagram });
                }
            }
        }
    }

    fn pass_routers(
        &mut self,
        site: SiteId,
        source: SocketAddrV4,
        to: SocketAddrV4,
    ) -> Option<Left> {
        let now = self.now();
        let nats = &mut self.sites[site].nats;
        let mut from = source;
        for turn in 0..nats.len() {
            if nats[turn].owns(*to.ip()) {
                let (from, to) = nats[turn].hairpin(now, from, to)?;
                let mut inwards = nats[..turn].iter_mut().rev();
                let inside = inwards.try_fold(to, |to, nat| nat.inbound(now, from, to))?;
                return Some(Left::Back(from, inside));
            }
            from = nats[turn].outbound(now, from, to)?;
        }
        Some(Left::Out(from))
    }

    fn arrive(
        &mut self,
        at: Micros,
        site: SiteId,
        from: SocketAddrV6,
        to: SocketAddrV6,
        datagram: Vec<u8>,
    ) {
        if let Some((host, carrier)) = self.sites[site].lan.get(&to).copied() {
            self.schedule(
                at,
                Delivery::AtHost {
                    host,
                    carrier,
                    from,
                    datagram,
                },
            );
        }
    }

    /// The site that a public address belongs to.
    pub(crate) fn site_at(&self, to: SocketAddrV6) -> Option<SiteId> {
        self.sites.iter().position(|site| site.is_at(to))
    }

    /// A datagram is on the Internet.
    pub(crate) fn route(&mut self, from: SocketAddrV6, to: SocketAddrV6, datagram: Vec<u8>) {
        let now = self.now();
        let Some(site) = self.site_at(to) else {
            // Private addresses lead nowhere here, those of hosts without a site to them.
            if self.bound.contains_key(&to) {
                self.deliver_at(now, from, to, datagram);
            }
            return;
        };
        let bytes = datagram.len() + HEADER_BYTES;
        let arrivals = self.sites[site].down.carry(now, bytes);
        if arrivals.is_empty() {
            let (to, from) = (from_mapped(to), from_mapped(from));
            self.transcript
                .add(format_args!("{now} site {site} loses {to} < {from}"));
        }
        for at in arrivals {
            let datagram = datagram.clone();
            self.schedule(
                at,
                Delivery::AtSite {
                    site,
                    from,
                    to,
                    datagram,
                },
            );
        }
    }

    /// A datagram has crossed a site's access link.
    pub(crate) fn enter_routers(
        &mut self,
        site: SiteId,
        from: SocketAddrV6,
        to: SocketAddrV6,
        datagram: &[u8],
    ) {
        let now = self.now();
        let (Some(source), Some(outside)) = (ipv4(from), ipv4(to)) else {
            return;
        };
        let mut inwards = self.sites[site].nats.iter_mut().rev();
        let inside = inwards.try_fold(outside, |to, nat| nat.inbound(now, source, to));
        let Some(inside) = inside else {
            self.transcript
                .add(format_args!("{now} site {site} drops {outside} < {source}"));
            return;
        };
        let place = self.sites[site].lan.get(&mapped(inside)).copied();
        if let Some((host, carrier)) = place {
            let route = Route::socket(carrier, from);
            self.peer(host).receive(route, 0, datagram);
        }
    }

    /// Binds an address in a site's network.
    pub(crate) fn bind_at(&mut self, site: SiteId, address: SocketAddrV6, owner: (HostId, u32)) {
        self.sites[site].lan.insert(address, owner);
    }

    /// Takes a host's address away, wherever it is.
    pub(crate) fn unbind_of(&mut self, host: HostId, address: SocketAddrV6) {
        match self.hosts[host].site {
            Some(site) => drop(self.sites[site].lan.remove(&address)),
            None => self.unbind(address),
        }
    }
}

fn wan(site: SiteId, last: u8) -> Ipv4Addr {
    match site {
        0 => Ipv4Addr::new(198, 51, 100, last),
        1 => Ipv4Addr::new(192, 0, 2, last),
        more => Ipv4Addr::new(198, 18, more as u8, last),
    }
}

fn mapped(address: SocketAddrV4) -> SocketAddrV6 {
    to_mapped(SocketAddr::V4(address))
}

fn ipv4(address: SocketAddrV6) -> Option<SocketAddrV4> {
    match from_mapped(address) {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}
