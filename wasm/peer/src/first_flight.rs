//! A congestion controller whose first flight leaves at once.
//!
//! Before the first round-trip time is measured, noq paces by the assumed 333 ms, and lets out one packet
//! every 27 ms. A ClientHello with a post-quantum key takes two. [RFC 9002 § 7.7] allows a sender to send
//! its initial window without pacing, so that is what happens until the first acknowledgement.
//!
//! [RFC 9002 § 7.7]: https://www.rfc-editor.org/rfc/rfc9002#section-7.7

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use noq_proto::RttEstimator;
use noq_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};

use crate::clock::Instant;

/// How many windows a second are let out at first. noq's pacer holds credit for 10 ms, so that its credit
/// is one window.
const WINDOWS_PER_SECOND: u64 = 100;

/// Makes controllers by another factory and wraps them.
pub(crate) struct FirstFlightAtOnce(pub(crate) Arc<dyn ControllerFactory + Send + Sync>);

impl ControllerFactory for FirstFlightAtOnce {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = Arc::clone(&self.0).build(now, current_mtu);
        Box::new(FirstFlight {
            inner,
            acknowledged: false,
            #[cfg(feature = "traversal")]
            min_rtt: Duration::MAX,
        })
    }
}

#[derive(Debug)]
struct FirstFlight {
    inner: Box<dyn Controller>,
    acknowledged: bool,
    #[cfg(feature = "traversal")]
    min_rtt: Duration,
}

/// The smallest round-trip time that was measured on a path, which noq tells to congestion controllers alone.
#[cfg(feature = "traversal")]
pub(crate) fn min_rtt(quic: &noq_proto::Connection, path: noq_proto::PathId) -> Option<Duration> {
    let controller = quic.congestion_state(path)?.clone_box().into_any();
    let flight = controller.downcast::<FirstFlight>().ok()?;
    flight.acknowledged.then_some(flight.min_rtt)
}

impl Controller for FirstFlight {
    fn on_sent(&mut self, now: Instant, bytes: u64, largest_pn: u64) {
        self.inner.on_sent(now, bytes, largest_pn);
    }

    fn on_packet_sent(&mut self, now: Instant, bytes: u16, pn: u64) {
        self.inner.on_packet_sent(now, bytes, pn);
    }

    fn on_cwnd_limited(&mut self) {
        self.inner.on_cwnd_limited();
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        pn: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.acknowledged = true;
        #[cfg(feature = "traversal")]
        {
            self.min_rtt = rtt.min();
        }
        self.inner.on_ack(now, sent, bytes, pn, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        is_ecn: bool,
        lost_bytes: u64,
        largest_lost_pn: u64,
    ) {
        self.inner.on_congestion_event(
            now,
            sent,
            is_persistent_congestion,
            is_ecn,
            lost_bytes,
            largest_lost_pn,
        );
    }

    fn on_packet_lost(&mut self, lost_bytes: u16, pn: u64, now: Instant) {
        self.inner.on_packet_lost(lost_bytes, pn, now);
    }

    fn on_spurious_congestion_event(&mut self) {
        self.inner.on_spurious_congestion_event();
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn on_ack_frequency_update(
        &mut self,
        ack_eliciting_threshold: u64,
        requested_max_ack_delay: Duration,
    ) {
        self.inner
            .on_ack_frequency_update(ack_eliciting_threshold, requested_max_ack_delay);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.inner.metrics();
        if !self.acknowledged && metrics.pacing_rate.is_none() {
            metrics.pacing_rate = Some(self.inner.window().saturating_mul(WINDOWS_PER_SECOND));
        }
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            acknowledged: self.acknowledged,
            #[cfg(feature = "traversal")]
            min_rtt: self.min_rtt,
        })
    }

    /// noq reads this only to fill the pacer at the start, at one of these per assumed round trip.
    fn initial_window(&self) -> u64 {
        const ASSUMED_ROUND_TRIPS_PER_SECOND: u64 = 3;
        self.inner
            .initial_window()
            .saturating_mul(WINDOWS_PER_SECOND / ASSUMED_ROUND_TRIPS_PER_SECOND + 1)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
