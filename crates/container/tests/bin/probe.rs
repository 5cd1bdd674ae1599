//! `kiln-probe NUMBER [ARGUMENT]…`: makes one system call and says what the kernel answered: `ok`, or
//! the number of its error.

use std::io::Write;

#[expect(unsafe_code, reason = "the calls that are tried have no safe wrappers")]
fn main() -> std::io::Result<()> {
    let numbers = std::env::args().skip(1).map(|number| number.parse().expect("a number"));
    let mut numbers = numbers.chain(std::iter::repeat(0));
    let [call, a, b, c, d, e]: [libc::c_long; 6] =
        std::array::from_fn(|_| numbers.next().expect("zeros never end"));
    // SAFETY: callers pass no addresses, so that no call of theirs touches memory.
    let result = unsafe { libc::syscall(call, a, b, c, d, e) };
    match result {
        -1 => {
            let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            writeln!(std::io::stdout(), "{error}")
        }
        _ => writeln!(std::io::stdout(), "ok"),
    }
}
