//! Mutants of an input, from a seed: the same ones each time.

/// Numbers that look random (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() >> 11) as usize % end
    }
}

/// Bytes that mean something to one format or another.
const TELLING: &[u8] = b"\x00\x01\x02\x7f\x80\x81\xbf\xc0\xc3\xdf\xe0\xf0\xf1\xf4\xfe\xff*$\r\n-0189 \"'\\";

/// An input that is a little different, perhaps with a piece of another one.
pub fn mutant(input: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(8) {
            0..=2 if at < bytes.len() => bytes[at] = TELLING[dice.below(TELLING.len())],
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            4 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(dice.below(9) as u8).wrapping_sub(4),
            5 => {
                let end = (at + 1 + dice.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 if !other.is_empty() => {
                let from = dice.below(other.len());
                let len = 1 + dice.below((other.len() - from).min(64));
                bytes.splice(at..at, other[from..from + len].iter().copied());
            }
            _ => bytes.insert(at, TELLING[dice.below(TELLING.len())]),
        }
    }
    bytes
}
