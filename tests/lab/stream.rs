//! Clients that write numbered rows without pause and remember what was acknowledged.
//!
//! A row counts only when its client saw the end of the commit: a client that
//! is killed, or that hears an error, has written nothing that it could rely on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::command::Failure;
use crate::lab::wait_until;

const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(50);
/// No row has a number twice, whichever stream wrote it.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A row that was acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// Its number.
    pub number: u64,
    /// When its client began.
    pub begun: Instant,
    /// When its client heard that it was committed.
    pub at: Instant,
    /// Whether the primary waited for a standby when it was written. With `synchronous = "on"`
    /// a primary that is left alone goes on without one, and promises nothing then.
    pub waited_for_standby: bool,
}

/// Clients that are writing.
pub struct Stream {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    acknowledged: Mutex<Vec<Acknowledged>>,
}

/// The table that all streams write to.
pub fn prepare(client: &Client) -> Result<(), Failure> {
    client.write_through_vip("create table if not exists stream (number bigint primary key)")?;
    Ok(())
}

impl Stream {
    /// Begins to write through the VIP.
    pub fn begin(client: &Client) -> Self {
        let shared = Arc::<Shared>::default();
        let clients = (0..CLIENTS).map(|_| {
            let (shared, client) = (Arc::clone(&shared), client.clone());
            thread::spawn(move || shared.write(&client))
        });
        let clients = clients.collect();
        Self { shared, clients }
    }

    /// What was acknowledged so far, in the order in which it was heard.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        let acknowledged = self.shared.acknowledged.lock();
        acknowledged
            .expect("no client panics with the list in its hands")
            .clone()
    }

    /// Waits for the first row that was begun after `moment` and acknowledged.
    pub fn wait_after(
        &self,
        moment: Instant,
        within: Duration,
        is_enough: fn(&Acknowledged) -> bool,
    ) -> Result<Acknowledged, Failure> {
        wait_until("a write is acknowledged", within, || {
            let acknowledged = self.acknowledged().into_iter();
            let mut later = acknowledged.filter(|row| row.begun >= moment && is_enough(row));
            later.next().ok_or_else(|| Failure::from("none yet"))
        })
    }

    /// Ends it and gives all that was acknowledged.
    pub fn end(mut self) -> Vec<Acknowledged> {
        self.stop();
        self.acknowledged()
    }

    fn stop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client
                .join()
                .expect("a client hears errors and does not panic");
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn write(&self, client: &Client) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            let sql = format!(
                "insert into stream values ({number}) \
                 returning current_setting('synchronous_standby_names') <> ''"
            );
            if let Ok(said) = client.attempt_through_vip(&sql, 6)
                && said.is_success()
            {
                let row = Acknowledged {
                    number,
                    begun,
                    at: Instant::now(),
                    waited_for_standby: said.out == "t",
                };
                let acknowledged = self.acknowledged.lock();
                acknowledged
                    .expect("no client panics with the list in its hands")
                    .push(row);
            }
            sleep(PAUSE);
        }
    }
}

/// Fails when a row that was acknowledged is not there.
pub fn nothing_is_lost(client: &Client, numbers: &BTreeSet<u64>) -> Result<(), Failure> {
    let rows = client.write_through_vip("select number from stream")?;
    let there: BTreeSet<u64> = rows.lines().map(str::parse).collect::<Result<_, _>>()?;
    let lost: Vec<_> = numbers.difference(&there).collect();
    assert!(
        lost.is_empty(),
        "of {} acknowledged rows these are lost: {lost:?}",
        numbers.len()
    );
    Ok(())
}

/// The longest time without an acknowledgement among these rows.
pub fn longest_gap(rows: &[Acknowledged]) -> Duration {
    let gaps = rows.windows(2).map(|pair| pair[1].at - pair[0].at);
    gaps.max().unwrap_or_default()
}
