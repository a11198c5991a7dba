//! The identity document of a seed, and the seed that is made of it.

use pgbundle::seed::identity::Identity;
use pgbundle::seed::nocloud::meta_data;
use pgbundle::seed::user_data::{UserData, plant, stub};

use super::document;

/// The same identity gives the same seed; the stub carries no text that its shell would run.
pub fn holds(bytes: &[u8]) -> bool {
    let Some(identity) = document::read::<Identity>(bytes) else {
        return false;
    };
    assert_eq!(stub(&identity), stub(&identity));
    assert_eq!(plant(&identity), plant(&identity));
    assert!(meta_data(&identity).contains(identity.node.as_str()));
    if let Ok(user_data) = UserData::of(&identity) {
        assert!(user_data.as_bytes().starts_with(b"#cloud-config\n"));
        assert!(
            user_data.as_bytes().is_ascii() || std::str::from_utf8(user_data.as_bytes()).is_ok()
        );
    }
    true
}
