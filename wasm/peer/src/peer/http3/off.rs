//! A core without a listener has no HTTP/3 connections.

use super::{Peer, ReadOutcome, StreamError};
use crate::clock::Instant;
use crate::error::CloseReason;
use crate::event::{ConnectionKey, Event};

type Answer<T> = Option<Result<T, StreamError>>;

impl Peer {
    #[inline]
    pub(super) fn carry(&mut self) {}

    #[inline]
    pub(super) fn is_http3(&self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn adopt_http3(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn begin_http3(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn hear_http3(&mut self, _: ConnectionKey, _: &Event) {}

    #[inline]
    pub(super) fn http3_due(&self, _: ConnectionKey) -> Option<Instant> {
        None
    }

    #[inline]
    pub(super) fn tend_http3(&mut self, _: ConnectionKey) {}

    #[inline]
    pub(super) fn http3_over(&mut self, _: ConnectionKey, _: &CloseReason) -> bool {
        false
    }

    #[inline]
    pub(super) fn http3_forgotten(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn shut_down_http3(&mut self, _: ConnectionKey, _: u64, _: &str) -> bool {
        false
    }

    #[inline]
    pub(super) fn bearer(&self, key: ConnectionKey) -> ConnectionKey {
        key
    }

    #[inline]
    pub(super) fn close_session(&mut self, _: ConnectionKey, _: u64, _: &str) -> bool {
        false
    }

    #[inline]
    pub(super) fn open_in_session(&mut self, _: ConnectionKey, _: bool) -> Answer<Option<u64>> {
        None
    }

    #[inline]
    pub(super) fn write_in_session(&mut self, _: ConnectionKey, _: u64, _: &[u8]) -> Answer<usize> {
        None
    }

    #[inline]
    pub(super) fn read_in_session(
        &mut self,
        _: ConnectionKey,
        _: u64,
        _: usize,
        _: &mut Vec<u8>,
    ) -> Answer<ReadOutcome> {
        None
    }

    #[inline]
    pub(super) fn finish_in_session(&mut self, _: ConnectionKey, _: u64) -> Answer<()> {
        None
    }

    #[inline]
    pub(super) fn reset_in_session(&mut self, _: ConnectionKey, _: u64, _: u64) -> Answer<()> {
        None
    }

    #[inline]
    pub(super) fn stop_in_session(&mut self, _: ConnectionKey, _: u64, _: u64) -> Answer<()> {
        None
    }

    #[inline]
    pub(super) fn send_datagram_in_session(&mut self, _: ConnectionKey, _: &[u8]) -> Answer<()> {
        None
    }

    #[inline]
    pub(super) fn max_datagram_in_session(&mut self, _: ConnectionKey) -> Option<usize> {
        None
    }
}
