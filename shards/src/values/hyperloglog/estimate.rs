//! From a histogram of registers to a cardinality: Otmar Ertl's estimator (arXiv:1702.01284), operation by operation as Redis
//! computes it, so that the last digit is the same.
use super::REGISTERS;
use super::hashing::VALUE_BITS;

/// How many registers have each value. Six bits hold more values than elements can give: those above are not counted.
pub(super) type Counts = [u32; 64];

/// The greatest value that an element gives.
const VALUE_MAX: usize = VALUE_BITS as usize + 1;

/// Counts of registers while they are counted: eight rows, so that equal neighbours do not wait for each other's sums.
pub(super) struct Histogram([[u16; 64]; 8]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([[0; 64]; 8])
    }
}

impl Histogram {
    /// Counts eight registers, one in each byte. No more than 2^16 calls fit.
    #[inline(always)]
    pub(super) fn add_eight(&mut self, registers: u64) {
        for (row, register) in self.0.iter_mut().zip(registers.to_le_bytes()) {
            row[usize::from(register & 63)] += 1;
        }
    }

    /// All rows as one.
    pub(super) fn sum(&self) -> Counts {
        let mut counts = [0; 64];
        for row in &self.0 {
            counts.iter_mut().zip(row).for_each(|(count, part)| *count += u32::from(*part));
        }
        counts
    }
}

/// The cardinality that is most likely behind such registers.
pub(super) fn estimate(counts: &Counts) -> u64 {
    /// 1 / (2 ln 2).
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(counts[VALUE_MAX])) / m);
    for &count in counts[1..VALUE_MAX].iter().rev() {
        z += f64::from(count);
        z *= 0.5;
    }
    z += m * sigma(f64::from(counts[0]) / m);
    let cardinality = (ALPHA * m * m / z).round();
    // Only registers that no element gives have no finite estimate: Redis answers the least integer then.
    if cardinality < i64::MAX as f64 { cardinality as u64 } else { i64::MIN as u64 }
}

/// What registers that are still zero contribute, `x` being their share.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// What registers that can rise no more contribute, `x` being the share of the others.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
