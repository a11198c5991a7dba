//! Which history a data folder is of, read from PostgreSQL's control file.
//!
//! The file begins with the system identifier, eight bytes in the machine's own
//! order (PostgreSQL: src/include/catalog/pg_control.h); initdb draws it, and a
//! copy has that of its leader.

use std::fs;
use std::path::Path;

/// The system identifier of a data folder; none where there is no control file,
/// or one that was never written out.
pub fn system_identifier(folder: &Path) -> Option<u64> {
    let bytes = fs::read(folder.join("global/pg_control")).ok()?;
    let identifier = u64::from_ne_bytes(*bytes.first_chunk::<8>()?);
    (identifier != 0).then_some(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_never_written_out_names_no_history() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(system_identifier(folder.path()), None);
        let file = folder.path().join("global/pg_control");
        fs::create_dir(file.parent().unwrap()).unwrap();
        for (bytes, expected) in [
            (vec![], None),
            (vec![0; 8192], None),
            (7_301_u64.to_ne_bytes().to_vec(), Some(7_301)),
        ] {
            fs::write(&file, bytes).unwrap();
            assert_eq!(system_identifier(folder.path()), expected);
        }
    }
}
