//! Archives that nobody vouches for yet.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use pgbundle::archive::untar::{Limits, Member, UntarError, walk};

const LIMITS: Limits = Limits {
    file: 1 << 16,
    total: 1 << 18,
    members: 64,
};

/// Every file lies inside of the folder, none on another or below one, and
/// all stay within bounds. The first byte says whether the rest is compressed
/// already (0) or a plain archive that is compressed first.
pub fn holds(bytes: &[u8]) -> bool {
    let Some((is_plain, archive)) = bytes.split_first() else {
        return false;
    };
    match is_plain {
        0 => walks(archive),
        _ => walks(&compressed(archive)),
    }
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(plain).expect("memory");
    gzip.finish().expect("memory")
}

fn walks(archive: &[u8]) -> bool {
    let mut files = Files::default();
    walk(archive, LIMITS, |member| files.take(member)).is_ok()
}

#[derive(Default)]
struct Files {
    places: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Files {
    fn take(&mut self, member: Member<'_>) -> Result<(), UntarError> {
        let place = member.path.under(Path::new("/folder"));
        let rest = place
            .strip_prefix("/folder")
            .expect("it stays in the folder");
        let mut parts = rest.components();
        assert!(
            parts.all(|part| matches!(part, Component::Normal(_))),
            "{}",
            member.path
        );
        let mut above = place.ancestors().skip(1);
        assert!(
            !above.any(|folder| self.places.contains(folder)),
            "a file is no folder"
        );
        assert!(member.size <= LIMITS.file);
        self.bytes += member.size;
        assert!(self.bytes <= LIMITS.total && self.places.len() < LIMITS.members as usize);
        let mut content = Vec::new();
        // What cannot be read is refused by the walk itself, later on.
        if member.reader.read_to_end(&mut content).is_ok() {
            assert!(
                content.len() as u64 <= member.size,
                "more than its header says"
            );
        }
        assert!(self.places.insert(place), "a file comes once");
        Ok(())
    }
}
