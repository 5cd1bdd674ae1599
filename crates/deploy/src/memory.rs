//! The memory of a process: what it may use, what it used at most, what would do.

use crate::Error;
use crate::kit::Kit;
use crate::place::{KnownGroup, Place};
use kiln_engine::MemoryPeak;
use kiln_names::{ByteSize, ProcessName, ReleaseId};
use kiln_protocol::status::GroupState;
use kiln_protocol::status::{MemoryVerdict, ProcessMemory};

/// A day: peaks measured longer ago count only for the release that is active.
const WINDOW_MS: u64 = 24 * 3_600_000;
/// What is suggested is the highest peak and a quarter of it.
const HEADROOM_PERCENT: u64 = 25;
/// Memory that the kernel killed for is not suggested again, nor what is hardly more.
const BEYOND_TOO_SMALL_PERCENT: u64 = 50;
/// From this on a limit is wider than it has to be, in percent of the peak.
const WIDE_PERCENT: u64 = 200;
/// Below this it leaves too little, in percent of the peak.
const NARROW_PERCENT: u64 = 110;
/// What is suggested is a multiple of the first number up to the second, in MiB; beyond, of whole
/// GiB.
const STEPS: [(u64, u64); 4] = [(8, 64), (16, 256), (64, 1024), (256, 4096)];

/// The memory of every process of what runs.
pub(crate) async fn of(kit: &Kit, place: &Place) -> Result<Vec<ProcessMemory>, Error> {
    let Some(first) = place.groups.first() else { return Ok(Vec::new()) };
    let (app, env) = (&first.spec.app, &first.spec.env);
    let Ok(provider) = kit.ports.engines.of(env).await else { return Ok(Vec::new()) };
    // An engine that does not answer leaves out what only it knows.
    let peaks = provider.engine.peaks(app, env).await.unwrap_or_default();
    let active = place.in_state(GroupState::Active);
    Ok(active.filter_map(|group| of_group(group, &peaks, kit.now_ms())).collect())
}

fn of_group(group: &KnownGroup, peaks: &[MemoryPeak], now_ms: u64) -> Option<ProcessMemory> {
    let window = Window { process: &group.spec.process, release: group.spec.release, now_ms };
    let limit = group.spec.params.memory;
    advise(group.spec.process.clone(), limit, peaks.iter().filter(|peak| window.holds(peak)))
}

/// The last day, or the time since the last deployment, whichever is longer.
struct Window<'a> {
    process: &'a ProcessName,
    release: ReleaseId,
    now_ms: u64,
}

impl Window<'_> {
    fn holds(&self, peak: &MemoryPeak) -> bool {
        let recent = peak.last_ms.saturating_add(WINDOW_MS) >= self.now_ms;
        peak.process == *self.process && (peak.release == self.release || recent)
    }
}

/// What the peaks say of a limit; nothing when there are none.
fn advise<'a>(
    process: ProcessName,
    limit: ByteSize,
    peaks: impl Iterator<Item = &'a MemoryPeak>,
) -> Option<ProcessMemory> {
    let peaks: Vec<_> = peaks.collect();
    let peak = peaks.iter().map(|peak| peak.peak).max()?;
    let too_small = peaks.iter().filter_map(|peak| peak.too_small).max();
    let suggested = suggest(peak, too_small);
    let narrow = percent(peak, NARROW_PERCENT) > limit.0 || too_small.is_some_and(|it| it >= limit);
    let wide = percent(peak, WIDE_PERCENT) < limit.0 && suggested < limit;
    let verdict = match (narrow, wide) {
        (true, _) => MemoryVerdict::TooSmall,
        (false, true) => MemoryVerdict::TooLarge,
        (false, false) => MemoryVerdict::Fits,
    };
    Some(ProcessMemory { process, limit, peak, too_small, suggested, verdict })
}

/// The peak with headroom, beyond what is known to be too small, in a number that a person would
/// write.
fn suggest(peak: ByteSize, too_small: Option<ByteSize>) -> ByteSize {
    let beyond = too_small.map_or(0, |size| percent(size, 100 + BEYOND_TOO_SMALL_PERCENT));
    round_up(percent(peak, 100 + HEADROOM_PERCENT).max(beyond))
}

fn percent(size: ByteSize, percent: u64) -> u64 {
    (size.0 / 100).saturating_mul(percent).saturating_add(size.0 % 100 * percent / 100)
}

fn round_up(bytes: u64) -> ByteSize {
    let mib = bytes.div_ceil(1 << 20).max(1);
    let step = STEPS.iter().find(|(_, up_to)| mib <= *up_to).map_or(1024, |(step, _)| *step);
    ByteSize::mib(mib.next_multiple_of(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(release: u8, mib: u64, too_small: Option<u64>, last_ms: u64) -> MemoryPeak {
        MemoryPeak {
            process: ProcessName::parse("web").unwrap(),
            release: ReleaseId::of(&[release]),
            peak: ByteSize::mib(mib),
            too_small: too_small.map(ByteSize::mib),
            last_ms,
        }
    }

    fn check(limit: u64, peaks: &[MemoryPeak], verdict: MemoryVerdict, suggested: u64) {
        let web = ProcessName::parse("web").unwrap();
        let advice = advise(web, ByteSize::mib(limit), peaks.iter()).unwrap();
        let found = (advice.verdict, advice.suggested);
        assert_eq!(found, (verdict, ByteSize::mib(suggested)), "{limit} {peaks:?}");
    }

    #[test]
    fn what_is_suggested_is_the_peak_with_a_quarter_more_in_a_round_number() {
        use MemoryVerdict::{Fits, TooLarge, TooSmall};
        check(512, &[peak(1, 30, None, 0)], TooLarge, 40);
        check(512, &[peak(1, 100, None, 0)], TooLarge, 128);
        check(512, &[peak(1, 300, None, 0)], Fits, 384);
        check(512, &[peak(1, 480, None, 0)], TooSmall, 640);
        check(4096, &[peak(1, 3500, None, 0)], Fits, 5120);
        check(64, &[peak(1, 1, None, 0), peak(2, 50, None, 0)], Fits, 64);
    }

    #[test]
    fn a_limit_that_cannot_be_made_smaller_is_not_wide() {
        check(8, &[peak(1, 1, None, 0)], MemoryVerdict::Fits, 8);
    }

    #[test]
    fn nothing_is_suggested_that_was_too_small_once() {
        use MemoryVerdict::{TooLarge, TooSmall};
        check(32, &[peak(1, 32, Some(32), 0)], TooSmall, 48);
        check(512, &[peak(1, 20, Some(128), 0)], TooLarge, 192);
    }

    #[test]
    fn older_peaks_count_for_the_active_release_alone() {
        let process = ProcessName::parse("web").unwrap();
        let now_ms = 10 * WINDOW_MS;
        let window = Window { process: &process, release: ReleaseId::of(&[1]), now_ms };
        assert!(window.holds(&peak(1, 1, None, 0)));
        assert!(window.holds(&peak(2, 1, None, 9 * WINDOW_MS)));
        assert!(!window.holds(&peak(2, 1, None, 9 * WINDOW_MS - 1)));
        let other =
            MemoryPeak { process: ProcessName::parse("worker").unwrap(), ..peak(1, 1, None, 0) };
        assert!(!window.holds(&other));
    }
}
