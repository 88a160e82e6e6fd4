//! One remote: ICE, DTLS and SCTP with it, and the one data channel.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::crypto;
use crate::records::{Kind, put, put_address};

/// Bytes that SCTP takes before they have left.
const MAX_BUFFERED: usize = 128 * 1024;

/// At how few of them the host hears that there is room.
const ROOM: usize = 32 * 1024;

/// Addresses from which requests are taken. Each that proves the password is one more candidate of the remote's for as long as the agent lives,
/// and whoever knows the password may have many.
const MAX_SOURCES: usize = 64;

/// Requests that are taken before the remote has said by which name and password it answers: they are kept until then.
const MAX_EARLY: u32 = 64;

/// Channels beside the first that a remote may open, and that are closed: each costs at every later turn.
const MAX_REFUSED: u32 = 16;

/// Bytes of a remote's name. RFC 8839 section 5.4 has 256; str0m panics where both names together have more than 127.
const MAX_UFRAG: usize = 64;

/// Where the socket is bound, as ICE needs it: one address for each family. Datagrams do not tell which of the machine's addresses they came
/// in at, so each is taken to have come in at that of its family, and the system chooses from which one answers leave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bases {
    /// For IPv4.
    pub v4: Option<SocketAddr>,
    /// For IPv6.
    pub v6: Option<SocketAddr>,
}

impl Bases {
    fn of(&self, remote: SocketAddr) -> Option<SocketAddr> {
        if remote.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// What a remote said that is of no use.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Negotiates a channel with a remote, and carries its messages.
#[derive(Debug)]
pub struct Agent {
    id: u32,
    rtc: Rtc,
    bases: Bases,
    /// What the remote's requests name it by (RFC 8445 section 5.3).
    ufrag: String,
    /// Whether the remote's description was taken.
    is_described: bool,
    /// Where requests have come from.
    sources: BTreeSet<SocketAddr>,
    /// Requests that came before the description.
    early: u32,
    /// Channels of the remote's that were closed at once.
    refused: u32,
    /// The offer that has no answer yet.
    pending: Option<SdpPendingOffer>,
    channel: Option<ChannelId>,
    is_open: bool,
    /// When it has something to do by itself.
    wake: Instant,
}

impl Agent {
    /// An agent that makes the offer, or waits for one. `None` where the platform gives no random bytes.
    pub fn new(
        id: u32,
        initiator: bool,
        bases: Bases,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Self> {
        let certificate = crate::certificate::generate()?;
        let mut rtc = Rtc::builder()
            .set_crypto_provider(crypto::provider())
            .set_dtls_cert(certificate)
            .clear_codecs()
            .set_sctp_max_buffered_amount(MAX_BUFFERED)
            .build(now);
        for base in [bases.v4, bases.v6].into_iter().flatten() {
            if let Ok(candidate) = Candidate::host(base, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
        let mut agent = Agent {
            id,
            rtc,
            bases,
            ufrag,
            is_described: false,
            sources: BTreeSet::new(),
            early: 0,
            refused: 0,
            pending: None,
            channel: None,
            is_open: false,
            wake: now,
        };
        if initiator {
            agent.offer(out)?;
        }
        Some(agent)
    }

    fn offer(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let mut changes = self.rtc.sdp_api();
        // QUIC repeats what is lost, once.
        self.channel = Some(changes.add_channel_with_config(ChannelConfig {
            label: "anypath".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        }));
        let (offer, pending) = changes.apply()?;
        self.pending = Some(pending);
        put(
            out,
            Kind::Offer,
            self.id,
            &[offer.to_sdp_string().as_bytes()],
        );
        Some(())
    }

    /// When [`Self::drain`] is to be called at the latest.
    pub fn wake(&self) -> Instant {
        self.wake
    }

    /// Takes the remote's offer, and answers it.
    ///
    /// # Errors
    /// It is none, or comes when none is wanted.
    pub fn take_offer(&mut self, sdp: &str, out: &mut Vec<u8>) -> Result<(), Malformed> {
        // A second one would be a change to the session: there is nothing to change.
        if self.channel.is_some() || self.is_described {
            return Err(Malformed);
        }
        refuse_long_names(sdp)?;
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|_| Malformed)?;
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|_| Malformed)?;
        self.is_described = true;
        put(
            out,
            Kind::Answer,
            self.id,
            &[answer.to_sdp_string().as_bytes()],
        );
        Ok(())
    }

    /// Takes the remote's answer.
    ///
    /// # Errors
    /// It is none, or nobody has asked.
    pub fn take_answer(&mut self, sdp: &str) -> Result<(), Malformed> {
        refuse_long_names(sdp)?;
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|_| Malformed)?;
        let pending = self.pending.take().ok_or(Malformed)?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(|_| Malformed)?;
        self.is_described = true;
        Ok(())
    }

    /// Takes one of the remote's candidates (RFC 8839 section 5.1).
    ///
    /// # Errors
    /// It is none, or for an address family that the socket has not.
    pub fn take_candidate(&mut self, candidate: &str) -> Result<(), Malformed> {
        let candidate = Candidate::from_sdp_string(candidate).map_err(|_| Malformed)?;
        self.bases.of(candidate.addr()).ok_or(Malformed)?;
        self.rtc.add_remote_candidate(candidate);
        Ok(())
    }

    /// The name by which the remote's requests mean this agent (RFC 8445 section 5.3).
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// Takes a datagram; `false` where it is not for this agent.
    ///
    /// `is_request` says that it is a request; those that name another agent are not for this one.
    ///
    /// # Errors
    /// The agent is of no use any more.
    pub fn receive(
        &mut self,
        source: SocketAddr,
        data: &[u8],
        is_request: bool,
        now: Instant,
    ) -> Result<bool, RtcError> {
        let Some(destination) = self.bases.of(source) else {
            return Ok(false);
        };
        let Ok(received) = Receive::new(Protocol::Udp, source, destination, data) else {
            return Ok(false);
        };
        let input = Input::Receive(now, received);
        if !self.rtc.accepts(&input) {
            return Ok(false);
        }
        if is_request && !self.takes_request(source) {
            return Ok(true);
        }
        self.rtc.handle_input(input)?;
        Ok(true)
    }

    /// Whether one more request from there is taken.
    fn takes_request(&mut self, source: SocketAddr) -> bool {
        if !self.is_described {
            self.early += 1;
            if self.early > MAX_EARLY {
                return false;
            }
        }
        let is_known = self.sources.contains(&source);
        is_known || (self.sources.len() < MAX_SOURCES && self.sources.insert(source))
    }

    /// Sends a message; `false` where the channel has no room for it, or is not open.
    ///
    /// # Errors
    /// The agent is of no use any more.
    pub fn send(&mut self, message: &[u8]) -> Result<bool, RtcError> {
        match self
            .channel
            .filter(|_| self.is_open)
            .and_then(|id| self.rtc.channel(id))
        {
            Some(mut channel) => channel.write(true, message),
            None => Ok(false),
        }
    }

    /// Tells the remote that it is over.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        // What can't be said any more need not be.
        let _ = self.rtc.close();
        let _ = self.poll(out);
    }

    /// Does what is due, and appends what there is to send and to tell.
    ///
    /// # Errors
    /// The agent is of no use any more.
    pub fn drain(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), RtcError> {
        if self.wake <= now {
            self.rtc.handle_input(Input::Timeout(now))?;
        }
        self.poll(out)
    }

    /// Whether it has an end: nothing comes of it any more.
    pub fn is_over(&self) -> bool {
        !self.rtc.is_alive()
    }

    fn poll(&mut self, out: &mut Vec<u8>) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(wake) => {
                    self.wake = wake;
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    let address = put_address(datagram.destination);
                    put(
                        out,
                        Kind::Datagram,
                        self.id,
                        &[&address, &datagram.contents],
                    );
                }
                Output::Event(event) => self.tell(event, out),
            }
        }
    }

    fn tell(&mut self, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::ChannelOpen(id, _) if *self.channel.get_or_insert(id) == id => {
                self.is_open = true;
                if let Some(mut channel) = self.rtc.channel(id) {
                    channel.set_buffered_amount_low_threshold(ROOM);
                }
                put(out, Kind::Open, self.id, &[]);
            }
            // One channel is all that there is to have.
            Event::ChannelOpen(id, _) if self.refused < MAX_REFUSED => {
                self.refused += 1;
                self.rtc.direct_api().close_data_channel(id);
            }
            Event::ChannelOpen(..) => self.rtc.disconnect(),
            Event::ChannelData(message) if Some(message.id) == self.channel => {
                put(
                    out,
                    Kind::Message,
                    self.id,
                    &[&[u8::from(message.binary)], &message.data],
                );
            }
            Event::ChannelBufferedAmountLow(id) if Some(id) == self.channel => {
                put(out, Kind::Room, self.id, &[])
            }
            Event::ChannelClose(id) if Some(id) == self.channel => self.rtc.disconnect(),
            Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) => {
                put(out, Kind::Through, self.id, &[]);
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                put(out, Kind::Interrupted, self.id, &[]);
            }
            _ => {}
        }
    }
}

fn refuse_long_names(sdp: &str) -> Result<(), Malformed> {
    let mut names = sdp
        .split(['\r', '\n'])
        .filter_map(|line| line.strip_prefix("a=ice-ufrag:"));
    if names.all(|name| name.len() <= MAX_UFRAG) {
        Ok(())
    } else {
        Err(Malformed)
    }
}
