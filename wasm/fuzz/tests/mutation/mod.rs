//! Cases made from seeds, the same ones for the same number.

const LONGEST: usize = 4096;
/// Values at the edges of lengths and variable-length integers.
const EDGES: [u8; 10] = [0, 1, 2, 3, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff];

/// Makes cases by changing seeds, and now and then from nothing.
pub(crate) struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Self {
        Self { state: seed, seeds }
    }

    pub(crate) fn case(&mut self) -> Vec<u8> {
        if self.seeds.is_empty() || self.below(16) == 0 {
            let length = self.below(200);
            return (0..length).map(|_| self.byte()).collect();
        }
        let mut case = self.seed();
        for _ in 0..=self.below(4) {
            self.mutate(&mut case);
        }
        case.truncate(LONGEST);
        case
    }

    fn mutate(&mut self, case: &mut Vec<u8>) {
        let at = self.below(case.len() + 1);
        let until = at + self.below(case.len() - at + 1);
        let (byte, bit) = (self.byte(), self.below(8));
        match self.below(9) {
            0 => case.truncate(at),
            1 => case.insert(at, byte),
            2 => drop(case.drain(at..until)),
            3 => {
                let copy = case[at..until].to_vec();
                let to = self.below(case.len() + 1);
                drop(case.splice(to..to, copy));
            }
            4 => {
                let other = self.seed();
                let from = self.below(other.len() + 1);
                drop(case.splice(at.., other[from..].iter().copied()));
            }
            5 => case.extend([byte; 3]),
            kind => {
                if let Some(place) = case.get_mut(at) {
                    *place = match kind {
                        6 => *place ^ (1 << bit),
                        7 => EDGES[usize::from(byte) % EDGES.len()],
                        _ => byte,
                    };
                }
            }
        }
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.below(self.seeds.len());
        self.seeds[index].clone()
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
