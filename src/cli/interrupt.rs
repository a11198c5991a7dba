//! Told to end (Ctrl-C, `kill`, a terminal that goes away): nothing half-written
//! stays, and the program ends by that signal, as shells and makes expect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, signal_name};

use crate::base::unfinished;

static ENDING: AtomicBool = AtomicBool::new(false);

/// Listens from now on. A signal that was ignored from the start stays so: that
/// is how `nohup` works.
pub fn listen() {
    let heard = [SIGINT, SIGTERM, SIGHUP].into_iter();
    let heard: Vec<_> = heard.filter(|signal| !is_ignored(*signal)).collect();
    // Without it, what is half-written stays, as when the power is cut.
    let Ok(mut signals) = Signals::new(heard) else {
        return;
    };
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end_by(signal);
        }
    });
}

/// Where the program is ending by a signal already, nothing more is said.
pub fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        thread::park();
    }
}

fn end_by(signal: i32) {
    ENDING.store(true, Ordering::SeqCst);
    unfinished::remove_all();
    let name = signal_name(signal).unwrap_or("a signal");
    eprintln!("error: ended by {name}; nothing half-written is left");
    eprintln!("hint: run the command again: it goes on where it stopped");
    // It returns only for signals that do not end a program, which these do.
    drop(emulate_default_handler(signal));
}

/// The mask of ignored signals (proc(5), `SigIgn`).
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
