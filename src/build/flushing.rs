//! A file that is on its way to the disk while it is still being written:
//! at the end there is less to wait for.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

/// Bytes that are written before the disk is given them, while more are.
const STRETCH: usize = 16 << 20;

/// A file with a thread that flushes it.
pub(super) struct Flushing {
    file: File,
    /// Bytes that the thread was not told of.
    unflushed: usize,
    due: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flushing {
    /// Takes a file that was just opened.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let same = file.try_clone()?;
        let (due, dues) = mpsc::channel();
        let thread = thread::spawn(move || {
            dues.iter().try_for_each(|()| same.sync_data())?;
            same.sync_data()
        });
        Ok(Self {
            file,
            unflushed: 0,
            due,
            thread,
        })
    }

    /// No more is written: the thread ends when all of it is on the disk.
    pub(super) fn written(self) -> JoinHandle<io::Result<()>> {
        self.thread
    }
}

impl Write for Flushing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.unflushed += count;
        if self.unflushed >= STRETCH {
            self.unflushed = 0;
            // A thread that has ended could not flush, and tells so at the end.
            self.due.send(()).ok();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_in_the_file_and_flushed() {
        let mut file = Flushing::new(tempfile::tempfile().unwrap()).unwrap();
        let kept = file.file.try_clone().unwrap();
        for _ in 0..3 {
            file.write_all(&[7; STRETCH / 2 + 1]).unwrap();
        }
        file.written().join().unwrap().unwrap();
        assert_eq!(kept.metadata().unwrap().len(), 3 * (STRETCH as u64 / 2 + 1));
    }

    #[test]
    fn a_flush_that_fails_is_told_at_the_end() {
        // A pipe cannot be flushed to a disk.
        let (_reader, writer) = io::pipe().unwrap();
        let file = Flushing::new(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        assert!(file.written().join().unwrap().is_err());
    }
}
