//! The 24 bits that tell how recently (LRU) or how often (LFU) an entry was used.
//!
//! LRU: seconds since 1970, modulo 2^24. LFU: minutes modulo 2^16 of the last decay, then 8 bits of a logarithmic counter.
use crate::dice::Dice;
use crate::settings::Settings;

const LRU_MASK: u32 = (1 << 24) - 1;
/// The counter of a new entry: it is to live a while before it is judged.
const LFU_INITIAL: u32 = 5;

fn minutes(now_ms: i64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

/// The bits of an entry made now.
#[inline]
#[must_use]
pub fn fresh(now_ms: i64, settings: &Settings) -> u32 {
    let now_ms = settings.loading_at_ms.unwrap_or(now_ms);
    if settings.lfu { minutes(now_ms) << 8 | LFU_INITIAL } else { (now_ms / 1000) as u32 & LRU_MASK }
}

/// The bits of an entry used now that had `bits`.
#[inline]
#[must_use]
pub fn used(bits: u32, now_ms: i64, settings: &Settings, dice: &mut Dice) -> u32 {
    let now_ms = settings.loading_at_ms.unwrap_or(now_ms);
    if !settings.lfu {
        return (now_ms / 1000) as u32 & LRU_MASK;
    }
    let counter = frequency(bits, now_ms, settings);
    let base = f64::from(counter.saturating_sub(LFU_INITIAL));
    let grows = counter < 255 && dice.unit() < 1.0 / (base * f64::from(settings.lfu_log_factor) + 1.0);
    minutes(now_ms) << 8 | (counter + u32::from(grows))
}

/// The bits of an entry that comes from elsewhere, where it was last used so many seconds ago, or so often. None where
/// what is told is not what is kept.
#[must_use]
pub fn restored(
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
    now_ms: i64,
    settings: &Settings,
) -> Option<u32> {
    let now_ms = settings.loading_at_ms.unwrap_or(now_ms);
    if settings.lfu {
        frequency.map(|frequency| minutes(now_ms) << 8 | u32::from(frequency))
    } else {
        idle_seconds.map(|idle| (now_ms / 1000).wrapping_sub(idle) as u32 & LRU_MASK)
    }
}

/// OBJECT FREQ: the counter, decayed by the time since it was last.
#[must_use]
pub fn frequency(bits: u32, now_ms: i64, settings: &Settings) -> u32 {
    let counter = bits & 0xff;
    if settings.lfu_decay_minutes == 0 {
        return counter;
    }
    let elapsed = minutes(now_ms).wrapping_sub(bits >> 8) & 0xffff;
    counter.saturating_sub(elapsed / settings.lfu_decay_minutes)
}

/// OBJECT IDLETIME: seconds since the last use.
#[must_use]
pub fn idle_seconds(bits: u32, now_ms: i64) -> i64 {
    i64::from(((now_ms / 1000) as u32).wrapping_sub(bits) & LRU_MASK)
}
