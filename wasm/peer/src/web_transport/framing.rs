//! Frames, and the capsules within them, as they arrive: in pieces of any size.

use anypath_wire::http3::frame::{FrameHead, read_head};

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is handed out once it is whole.
    Gather,
    /// Its content is handed out as it comes.
    Pass,
    /// It says nothing that matters.
    Skip,
    /// It must not be there: the code of the error.
    Refuse(u64),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A frame that was gathered: its type and its content.
    Whole(u64, Vec<u8>),
    /// A part of the content of one that is passed.
    Part(Vec<u8>),
}

/// Takes a stream of frames apart.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// A head that is not whole; at most 16 bytes are.
    head: Vec<u8>,
    /// The frame that is being read, and how many bytes of it are still to come.
    current: Option<(FrameHead, Treatment, u64)>,
    gathered: Vec<u8>,
}

impl Framer {
    /// Whether nothing is missing of the frame that came last.
    pub(crate) fn is_between(&self) -> bool {
        self.head.is_empty() && self.current.is_none()
    }

    /// How many bytes may be read without reading beyond the frame that is being read.
    pub(crate) fn wanted(&self) -> usize {
        let left = self.current.map_or(1, |(_, _, left)| left);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Takes more bytes, and gives what they make whole to `found`, in order.
    ///
    /// # Errors
    /// The code of a frame that `treat` refuses; nothing can be read then any more.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        treat: impl Fn(FrameHead) -> Treatment,
        found: &mut Vec<Piece>,
    ) -> Result<(), u64> {
        loop {
            let Some((head, treatment, left)) = self.current else {
                let Some(head) = self.take_head(&mut bytes) else {
                    return Ok(());
                };
                let treatment = treat(head);
                if let Treatment::Refuse(code) = treatment {
                    return Err(code);
                }
                self.current = Some((head, treatment, head.length));
                continue;
            };
            let length = usize::try_from(left).unwrap_or(usize::MAX);
            let (content, rest) = bytes.split_at(length.min(bytes.len()));
            bytes = rest;
            match treatment {
                Treatment::Gather => self.gathered.extend_from_slice(content),
                Treatment::Pass if !content.is_empty() => found.push(Piece::Part(content.to_vec())),
                _ => {}
            }
            let left = left - content.len() as u64;
            if left > 0 {
                self.current = Some((head, treatment, left));
                return Ok(());
            }
            self.current = None;
            if treatment == Treatment::Gather {
                let gathered = std::mem::take(&mut self.gathered);
                found.push(Piece::Whole(head.kind, gathered));
            }
        }
    }

    /// The next head, once it is whole.
    fn take_head(&mut self, bytes: &mut &[u8]) -> Option<FrameHead> {
        while let Some((first, rest)) = bytes.split_first() {
            self.head.push(*first);
            *bytes = rest;
            if let Some((head, _)) = read_head(&self.head) {
                self.head.clear();
                return Some(head);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use anypath_wire::http3::frame::{DATA, HEADERS, write};
    use proptest::prelude::*;

    use super::*;

    fn treat(head: FrameHead) -> Treatment {
        match head.kind {
            HEADERS => Treatment::Gather,
            DATA => Treatment::Pass,
            9 => Treatment::Refuse(77),
            _ => Treatment::Skip,
        }
    }

    /// Passed pieces depend on how the bytes came; their sum does not.
    fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Part(last)), Piece::Part(next)) => last.extend(next),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut bytes = Vec::new();
        write(HEADERS, &[1; 70], &mut bytes);
        write(0x21, &[9; 20_000], &mut bytes);
        write(DATA, b"some data", &mut bytes);
        write(HEADERS, &[], &mut bytes);
        write(DATA, &[], &mut bytes);
        let expected = [
            Piece::Whole(HEADERS, vec![1; 70]),
            Piece::Part(b"some data".to_vec()),
            Piece::Whole(HEADERS, Vec::new()),
        ];
        for size in [1, 2, 3, 7, 64, 1000, bytes.len()] {
            let (mut framer, mut found) = (Framer::default(), Vec::new());
            for chunk in bytes.chunks(size) {
                assert_eq!(framer.push(chunk, treat, &mut found), Ok(()));
            }
            assert!(framer.is_between());
            assert_eq!(framer.wanted(), 1);
            assert_eq!(joined(found), expected, "by {size}");
        }
    }

    #[test]
    fn what_is_wanted_never_reaches_into_the_next_frame() {
        let (mut framer, mut found) = (Framer::default(), Vec::new());
        let bytes = [HEADERS as u8, 3, 7, 8, 9, DATA as u8];
        let mut wanted = Vec::new();
        let mut rest = &bytes[..5];
        while !rest.is_empty() {
            wanted.push(framer.wanted());
            let (next, after) = rest.split_at(framer.wanted().min(2));
            rest = after;
            assert_eq!(framer.push(next, treat, &mut found), Ok(()));
        }
        assert_eq!(wanted, [1, 1, 3, 1]);
        assert_eq!(found, [Piece::Whole(HEADERS, vec![7, 8, 9])]);
    }

    #[test]
    fn a_refused_frame_is_an_error_before_its_content_comes() {
        let mut framer = Framer::default();
        let result = framer.push(&[9, 0xff], treat, &mut Vec::new());
        assert_eq!(result, Ok(()));
        assert!(!framer.is_between());
        let rest = [0xff; 7];
        assert_eq!(framer.push(&rest, treat, &mut Vec::new()), Err(77));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_little_is_kept(bytes: Vec<u8>, size in 1_usize..50) {
            let (mut framer, mut found) = (Framer::default(), Vec::new());
            for chunk in bytes.chunks(size) {
                if framer.push(chunk, treat, &mut found).is_err() {
                    break;
                }
            }
            prop_assert!(framer.head.len() < 16 && framer.gathered.len() <= bytes.len());
        }
    }
}
