//! The capacity of an engine as a picture of bars.

use crate::table::Table;
use crate::words::{count, or_dash, size};
use kiln_protocol::capacity::{Amount, Capacity, Portion};

/// How wide a bar is.
const BAR: u64 = 20;

/// Everything, in 80 columns.
pub(crate) fn shown(capacity: &Capacity) -> String {
    let Capacity { memory, cpu_millis, .. } = capacity;
    let mut text = format!("MEMORY     {:>39}\n", size(memory.total));
    let height = capacity.highest.as_deref().unwrap_or_default();
    text.push_str(&bars(*memory, height, size));
    if let Some(used) = capacity.machine_used {
        text.push_str(&bar("machine", used.0, memory.total, size, "all programs"));
    }
    text.push_str(&format!("PROCESSORS {:>39}\n", processors(cpu_millis.total)));
    text.push_str(&bars(*cpu_millis, height, processors));
    text.push('\n');
    text.push_str(&parts(&capacity.parts));
    text
}

fn bars(amount: Amount, highest: &str, words: fn(u64) -> String) -> String {
    let Amount { total, promised, spare, at_height, used, left } = amount;
    let warm = if spare == 0 { String::new() } else { format!("{} to warm groups", words(spare)) };
    let swap = if highest.is_empty() { String::new() } else { format!("two of {highest}") };
    [
        bar("promised", promised, total, words, &warm),
        bar("at height", at_height, total, words, &swap),
        bar("used", used, total, words, ""),
        format!("  left     {:>39}\n", words(left)),
    ]
    .concat()
}

/// `  promised   [######------]  25%   6.0 GiB  note`.
fn bar(name: &str, part: u64, total: u64, words: fn(u64) -> String, note: &str) -> String {
    let share = |of: u64| (u128::from(part) * u128::from(of)).checked_div(u128::from(total));
    let filled = usize::try_from(share(BAR).unwrap_or(0).min(u128::from(BAR))).unwrap_or(0);
    let width = usize::try_from(BAR).unwrap_or(0);
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(width - filled));
    let percent = share(100).unwrap_or(0);
    let line = format!("  {name:<9} [{bar}] {percent:>3}% {:>10}  {note}", words(part));
    let line: String = line.trim_end().chars().take(80).collect();
    format!("{line}\n")
}

fn parts(parts: &[Portion]) -> String {
    let head = ["ENV", "PROCESS", "RUN", "LIMIT", "PROMISED", "USED", "PEAK", "STILL FITS"];
    let mut table = Table::new(head);
    for part in parts {
        table.row([
            part.env.to_string(),
            format!("{} {}", part.app, part.process),
            part.instances.to_string(),
            part.limit.to_string(),
            size(part.promised.0),
            size(part.used.0),
            or_dash(part.peak.map(|peak| size(peak.0))),
            format!("{} more", part.fits),
        ]);
    }
    let most = parts.iter().filter(|part| part.fits == 0).count();
    let full = match most {
        0 => String::new(),
        most => format!("{} would not fit once more.\n", count(most, "process")),
    };
    table.text() + &full
}

/// `1.5` processors.
fn processors(millis: u64) -> String {
    format!("{}.{}", millis / 1000, millis % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::{AppName, ByteSize, EnvName, ProcessName};

    fn capacity() -> Capacity {
        let gib = |count: u64| count << 30;
        let part = Portion {
            app: AppName::parse("hello-world").unwrap(),
            env: EnvName::parse("prod").unwrap(),
            process: ProcessName::parse("web").unwrap(),
            instances: 2,
            limit: ByteSize::mib(512),
            promised: ByteSize(gib(1)),
            spare: ByteSize(0),
            at_height: ByteSize(gib(2)),
            used: ByteSize::mib(24),
            peak: Some(ByteSize::mib(30)),
            cpu_millis: 1000,
            cpu_promised_millis: 2000,
            cpu_at_height_millis: 4000,
            cpu_used_millis: 120,
            fits: 6,
        };
        Capacity {
            environments: vec![part.env.clone()],
            memory: Amount {
                total: gib(4),
                promised: gib(1),
                spare: 0,
                at_height: gib(2),
                used: 24 << 20,
                left: gib(3),
            },
            cpu_millis: Amount {
                total: 2000,
                promised: 2000,
                spare: 0,
                at_height: 4000,
                used: 120,
                left: 0,
            },
            machine_used: Some(ByteSize::mib(900)),
            highest: Some("hello-world in prod".to_owned()),
            parts: vec![part],
        }
    }

    #[test]
    fn a_capacity_is_a_picture_of_80_columns() {
        let text = shown(&capacity());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        expect_test::expect![[r#"
            MEMORY                                     4.0 GiB
              promised  [#####---------------]  25%    1.0 GiB
              at height [##########----------]  50%    2.0 GiB  two of hello-world in prod
              used      [--------------------]   0%   24.0 MiB
              left                                     3.0 GiB
              machine   [####----------------]  21%  900.0 MiB  all programs
            PROCESSORS                                     2.0
              promised  [####################] 100%        2.0
              at height [####################] 200%        4.0  two of hello-world in prod
              used      [#-------------------]   6%        0.1
              left                                         0.0

            ENV   PROCESS          RUN  LIMIT   PROMISED  USED      PEAK      STILL FITS
            prod  hello-world web  2    512MiB  1.0 GiB   24.0 MiB  30.0 MiB  6 more
        "#]]
        .assert_eq(&text);
    }
}
