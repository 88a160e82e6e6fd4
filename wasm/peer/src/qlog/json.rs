//! Writing JSON ([RFC 8259]), as much of it as a qlog needs. What is begun is ended when it is dropped.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

use std::fmt::Write;
use std::time::Duration;

/// The largest whole number that every JSON parser reads exactly ([RFC 7493 § 2.2]).
///
/// [RFC 7493 § 2.2]: https://www.rfc-editor.org/rfc/rfc7493#section-2.2
const MAX_EXACT: u64 = (1 << 53) - 1;

/// An object under construction.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `out`.
    pub(crate) fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn key(&mut self, name: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        push_text(self.out, name);
        self.out.push(':');
        self.out
    }

    /// A whole number; as a string when it is too large for a JSON number, as qlog has it.
    pub(crate) fn number(&mut self, name: &str, number: impl Into<u64>) -> &mut Self {
        push_number(self.key(name), number.into());
        self
    }

    /// A duration in milliseconds, exact to the microsecond.
    pub(crate) fn millis(&mut self, name: &str, duration: Duration) -> &mut Self {
        let micros = duration.as_micros();
        let out = self.key(name);
        // Writing to a string can't fail.
        let _ = write!(out, "{}.{:03}", micros / 1000, micros % 1000);
        self
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        push_text(self.key(name), text);
        self
    }

    /// Bytes in lowercase hexadecimal.
    pub(crate) fn hex(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        let out = self.key(name);
        out.push('"');
        for byte in bytes {
            let _ = write!(out, "{byte:02x}");
        }
        out.push('"');
        self
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &str, flag: bool) -> &mut Self {
        self.key(name).push_str(if flag { "true" } else { "false" });
        self
    }

    /// What is JSON already.
    pub(crate) fn json(&mut self, name: &str, json: &str) -> &mut Self {
        self.key(name).push_str(json);
        self
    }

    /// An object within.
    pub(crate) fn object(&mut self, name: &str) -> Object<'_> {
        Object::begin(self.key(name))
    }

    /// An array within.
    pub(crate) fn list(&mut self, name: &str) -> List<'_> {
        List::begin(self.key(name))
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push('}');
    }
}

/// An array under construction.
pub(crate) struct List<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> List<'a> {
    fn begin(out: &'a mut String) -> Self {
        out.push('[');
        Self { out, empty: true }
    }

    fn next(&mut self) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out
    }

    /// A whole number.
    pub(crate) fn number(&mut self, number: u64) {
        push_number(self.next(), number);
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) {
        push_text(self.next(), text);
    }

    /// An object within.
    pub(crate) fn object(&mut self) -> Object<'_> {
        Object::begin(self.next())
    }

    /// An array within.
    pub(crate) fn list(&mut self) -> List<'_> {
        List::begin(self.next())
    }
}

impl Drop for List<'_> {
    fn drop(&mut self) {
        self.out.push(']');
    }
}

fn push_number(out: &mut String, number: u64) {
    let _ = match number {
        0..=MAX_EXACT => write!(out, "{number}"),
        _ => write!(out, "\"{number}\""),
    };
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_written_reads_back() {
        let hostile = "quote \" backslash \\ line \n nul \0 separator \x1e umlaut \u{fc} \u{1f980}";
        let mut out = String::new();
        {
            let mut object = Object::begin(&mut out);
            object.text(hostile, hostile).flag("yes", true);
            object.number("exact", MAX_EXACT).number("large", u64::MAX);
            object.millis("time", Duration::from_micros(1_002_003));
            object.hex("bytes", &[0, 0xff]).json("given", "[1]");
            object.object("empty");
            let mut list = object.list("list");
            list.number(1);
            list.text("two");
            list.list().number(3);
            list.object().number("four", 4_u64);
        }
        let expected = json!({
            hostile: hostile,
            "yes": true,
            "exact": 9_007_199_254_740_991_u64,
            "large": "18446744073709551615",
            "time": 1002.003,
            "bytes": "00ff",
            "given": [1],
            "empty": {},
            "list": [1, "two", [3], {"four": 4}],
        });
        let read: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(read, expected);
        assert!(!out.contains('\x1e'), "a separator within a record");
    }
}
