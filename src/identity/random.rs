//! Where chance enters: as a value handed in, so that tests can hand in none.

/// A source of random bytes.
pub trait Random {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandom>;
}

/// The kernel gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the kernel gives no random bytes: {0}")]
pub struct NoRandom(String);

/// The kernel's generator, getrandom(2).
pub struct Kernel;

impl Random for Kernel {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandom> {
        getrandom::fill(bytes).map_err(|error| NoRandom(error.to_string()))
    }
}

/// Draws `N` bytes.
pub fn draw<const N: usize>(random: &mut dyn Random) -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}
