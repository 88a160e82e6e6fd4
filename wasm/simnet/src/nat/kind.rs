//! Kinds of NATs by their names in the laboratory.

use std::fmt;
use std::str::FromStr;

/// How a NAT chooses the outside address of a flow ([RFC 4787 § 4.1]).
///
/// [RFC 4787 § 4.1]: https://www.rfc-editor.org/rfc/rfc4787#section-4.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// Inside addresses are public.
    None,
    /// One random port for an inside socket, whatever it writes to.
    EndpointIndependent,
    /// One random port for an inside socket and a remote address.
    AddressDependent,
    /// The inside port, for each flow in which it is free; else a random one. Linux' masquerading.
    PortPreserving,
    /// A random port for each flow.
    Random,
    /// The next port for each flow.
    Sequential,
    /// A random port for each flow, on one of four addresses, which depends on both ends.
    Pool,
}

/// Whose packets a NAT lets in ([RFC 4787 § 5]).
///
/// [RFC 4787 § 5]: https://www.rfc-editor.org/rfc/rfc4787#section-5
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtering {
    /// Anybody's.
    EndpointIndependent,
    /// Those from an address that was written to.
    AddressDependent,
    /// Those from an address and port that were written to.
    AddressAndPortDependent,
}

/// What a NAT does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// How it maps.
    pub mapping: Mapping,
    /// How it filters.
    pub filtering: Filtering,
    /// Whether a stranger's packet makes a flow to the router itself, with which a later one to that stranger clashes.
    pub open: bool,
    /// Whether it drops UDP to all ports but 53.
    pub blocks: bool,
    /// Whether two hosts inside reach each other by their outside addresses.
    pub hairpin: bool,
    name: &'static str,
}

impl Kind {
    /// No NAT.
    pub const NONE: Self = Self::new("none", Mapping::None, Filtering::EndpointIndependent);

    /// Whether it neither maps nor filters.
    pub fn is_absent(&self) -> bool {
        self.mapping == Mapping::None && self.filtering == Filtering::EndpointIndependent
    }

    const fn new(name: &'static str, mapping: Mapping, filtering: Filtering) -> Self {
        Self {
            mapping,
            filtering,
            open: false,
            blocks: false,
            hairpin: false,
            name,
        }
    }
}

/// Every kind, as the laboratory names it.
const KINDS: [Kind; 13] = {
    use Filtering::*;
    use Mapping::{Pool, PortPreserving, Random, Sequential};
    let apdf = AddressAndPortDependent;
    [
        Kind::NONE,
        Kind::new("fw", Mapping::None, apdf),
        Kind::new(
            "fullcone",
            Mapping::EndpointIndependent,
            EndpointIndependent,
        ),
        Kind::new("adf", Mapping::EndpointIndependent, AddressDependent),
        Kind::new("portrestricted", Mapping::EndpointIndependent, apdf),
        Kind::new("linux", PortPreserving, apdf),
        Kind {
            open: true,
            ..Kind::new("linuxopen", PortPreserving, apdf)
        },
        Kind::new("symadm", Mapping::AddressDependent, apdf),
        Kind::new("symmetric", Random, apdf),
        Kind::new("symseq", Sequential, apdf),
        Kind::new("sympool", Pool, apdf),
        Kind {
            blocks: true,
            ..Kind::new("udpblock", PortPreserving, apdf)
        },
        Kind {
            blocks: true,
            // TCP is not translated here, so what it may do makes no difference.
            ..Kind::new("tcp443", PortPreserving, apdf)
        },
    ]
};

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidKind(pub String);

impl fmt::Display for InvalidKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no kind of NAT: {}", self.0)
    }
}

impl std::error::Error for InvalidKind {}

impl FromStr for Kind {
    type Err = InvalidKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, hairpin) = match text.strip_suffix("+hairpin") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let known = KINDS.into_iter().find(|kind| kind.name == name);
        let kind = known.ok_or_else(|| InvalidKind(text.to_owned()))?;
        Ok(Self { hairpin, ..kind })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hairpin = if self.hairpin { "+hairpin" } else { "" };
        write!(f, "{}{hairpin}", self.name)
    }
}

/// What stands between a site and the Internet: `HOME` or `HOME/CARRIER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteKind {
    /// The router at home.
    pub home: Kind,
    /// The carrier's NAT behind which that router is.
    pub carrier: Option<Kind>,
}

impl FromStr for SiteKind {
    type Err = InvalidKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (home, carrier) = match text.split_once('/') {
            Some((home, carrier)) => (home, Some(carrier.parse()?)),
            None => (text, None),
        };
        let home: Kind = home.parse()?;
        let public = |kind: &Kind| kind.mapping == Mapping::None;
        if carrier.is_some() && (public(&home) || carrier.as_ref().is_some_and(public)) {
            return Err(InvalidKind(text.to_owned()));
        }
        Ok(Self { home, carrier })
    }
}

impl fmt::Display for SiteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.carrier {
            Some(carrier) => write!(f, "{}/{carrier}", self.home),
            None => self.home.fmt(f),
        }
    }
}
