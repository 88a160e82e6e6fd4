//! Iterators over the lists of a ClientHello. Their bytes were checked when the message was read.

/// The protocol names that a client offers.
#[derive(Debug, Clone, Copy)]
pub struct Alpns<'a>(&'a [u8]);

impl<'a> Alpns<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Alpns<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some(name)
    }
}

/// Key exchange groups, by IANA number.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a> {
    bytes: &'a [u8],
    with_keys: bool,
}

impl<'a> Groups<'a> {
    pub(super) const fn supported(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            with_keys: false,
        }
    }

    pub(super) const fn key_shares(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            with_keys: true,
        }
    }
}

impl Iterator for Groups<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (group, mut rest) = self.bytes.split_first_chunk()?;
        if self.with_keys {
            let (length, keys) = rest.split_first_chunk()?;
            rest = keys.get(usize::from(u16::from_be_bytes(*length))..)?;
        }
        self.bytes = rest;
        Some(u16::from_be_bytes(*group))
    }
}
