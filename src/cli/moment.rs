//! Where time enters: `SOURCE_DATE_EPOCH` for what is written, the clock for
//! what is judged.

use std::time::{SystemTime, UNIX_EPOCH};

use super::report::Failure;
use crate::base::Epoch;

/// `SOURCE_DATE_EPOCH` (reproducible-builds.org), where it is set.
pub fn fixed() -> Result<Option<Epoch>, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    text.to_str()
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| Epoch::from_seconds(seconds).ok())
        .map(Some)
        .ok_or_else(|| {
            Failure::input("SOURCE_DATE_EPOCH is not a number of seconds since 1970")
                .hint("unset it, or set it to such a number: `date +%s` prints one")
        })
}

/// The moment at which signatures, keys and certificates are judged and issued:
/// always the clock, since `SOURCE_DATE_EPOCH` dates outputs, often long ago.
pub fn now() -> Result<Epoch, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    since
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .and_then(|seconds| Epoch::from_seconds(seconds).ok())
        .ok_or_else(|| Failure::world("this machine's clock is not between 1970 and 9999: set it"))
}
