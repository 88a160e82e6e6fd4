//! Reading a qlog: JSON text sequences ([RFC 7464 § 2.2]).
//!
//! [RFC 7464 § 2.2]: https://www.rfc-editor.org/rfc/rfc7464#section-2.2

use serde_json::Value;

use crate::pair::Host;

/// A qlog, read.
pub(crate) struct Trace {
    /// The first record.
    pub(crate) file: Value,
    /// The others.
    pub(crate) events: Vec<Value>,
}

impl Trace {
    pub(crate) fn of(host: &Host) -> Self {
        let text = host.qlog_text();
        let sequence = text.strip_prefix('\x1e').expect("a record separator");
        let mut records = sequence.split('\x1e').map(|record| {
            let record = record.strip_suffix('\n').expect("a line feed");
            serde_json::from_str(record).unwrap_or_else(|error| panic!("{error}: {record}"))
        });
        let file = records.next().expect("a record");
        let events = records.collect();
        Self { file, events }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.events.iter().map(|event| &event["name"]);
        names.map(|name| name.as_str().expect("a name")).collect()
    }

    /// The data of all events of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<&Value> {
        let named = self.events.iter().filter(|event| event["name"] == name);
        named.map(|event| &event["data"]).collect()
    }

    /// All frames of a type in the packets of an event.
    pub(crate) fn frames(&self, event: &str, frame_type: &str) -> Vec<Value> {
        let packets = self.all(event).into_iter();
        packets
            .flat_map(|data| data["frames"].as_array().expect("frames"))
            .filter(|frame| frame["frame_type"] == frame_type)
            .cloned()
            .collect()
    }
}
