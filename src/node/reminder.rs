//! When a line that says what is waited for is due: when it is new, and each
//! minute from then on. An answer that goes back and forth is no news.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(60);

/// What was said, and when.
#[derive(Default)]
pub struct Reminder(Vec<(String, Instant)>);

impl Reminder {
    /// Whether `line` is to be said now; it counts as said then.
    pub fn is_due(&mut self, line: &str, now: Instant) -> bool {
        self.0
            .retain(|(_, said)| now.saturating_duration_since(*said) < INTERVAL);
        let is_due = !self.0.iter().any(|(known, _)| known == line);
        if is_due {
            self.0.push((line.to_owned(), now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_a_minute_however_often_it_comes_back() {
        let (mut reminder, begun) = (Reminder::default(), Instant::now());
        let mut said = Vec::new();
        for second in 0..130 {
            let line = if second % 3 == 0 { "silent" } else { "503" };
            if reminder.is_due(line, begun + Duration::from_secs(second)) {
                said.push((second, line));
            }
        }
        let expected = [
            (0, "silent"),
            (1, "503"),
            (60, "silent"),
            (61, "503"),
            (120, "silent"),
            (121, "503"),
        ];
        assert_eq!(said, expected);
    }
}
