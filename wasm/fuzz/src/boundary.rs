//! Targets for what crosses the WebAssembly boundary.

use anypath_wire::address::{VirtualPrefix, decode, encode, from_mapped, is_virtual, to_mapped};
use anypath_wire::reader::Reader;
use anypath_wire::record::{RECORD_HEADER, RecordWriter, Records};

/// A stream of records, and a payload read by operations that the bytes themselves choose.
pub fn record(data: &[u8]) {
    let mut written = Vec::new();
    let mut whole = true;
    for record in Records::new(data) {
        assert!(whole, "a record after an error");
        match record {
            Ok(record) => {
                RecordWriter::begin(&mut written, record.kind, record.id).raw(record.payload);
                assert!(written.len() >= RECORD_HEADER + record.payload.len());
            }
            Err(_) => whole = false,
        }
    }
    assert!(data.starts_with(&written), "read and written differ");
    assert_eq!(written.len() == data.len(), whole);

    let (operations, payload) = data.split_at(data.len() / 2);
    read_by(operations, payload);
}

fn read_by(operations: &[u8], payload: &[u8]) {
    let mut reader = Reader::new(payload);
    for operation in operations {
        let before = reader.clone();
        let read = match operation % 10 {
            0 => reader.u8().map(drop),
            1 => reader.u16().map(drop),
            2 => reader.u32().map(drop),
            3 => reader.u64().map(drop),
            4 => reader.f64().map(drop),
            5 => reader.bytes8().map(drop),
            6 => reader.bytes16().map(drop),
            7 => reader.bytes32().map(drop),
            8 => reader.str16().map(drop),
            _ => reader.take(usize::from(operation / 10)).map(drop),
        };
        assert_eq!(reader.offset() + reader.rest().len(), payload.len());
        if read.is_err() {
            assert_eq!(reader.offset(), before.offset(), "consumed by a failure");
        }
    }
    let left = reader.rest().len();
    assert_eq!(reader.finish().is_ok(), left == 0);
}

/// A socket address in the boundary's form.
pub fn address(data: &[u8]) {
    if let Some((prefix, rest)) = data.split_first_chunk()
        && let Some((index, rest)) = rest.split_first_chunk()
        && let Some((random, _)) = rest.split_first_chunk()
    {
        let (prefix, index) = (VirtualPrefix::new(*prefix), u32::from_le_bytes(*index));
        let ip = prefix.address(index, *random);
        assert_eq!(prefix.index(&ip), Some(index));
        assert!(prefix.contains(ip.into()));
    }
    let Ok(address) = decode(data) else {
        return;
    };
    assert_eq!(decode(&encode(address.into())), Ok(address));
    let outside = from_mapped(address);
    assert_eq!(to_mapped(outside), address);
    assert_eq!(decode(&encode(outside)), Ok(address));
    assert!(outside.is_ipv6() || !is_virtual(outside, VirtualPrefix::new([0; 5])));
}

/// The input of every call across the boundary.
pub fn boundary_input(data: &[u8]) {
    assert!(anypath_boundary::read_any(data) <= data.len());
}
