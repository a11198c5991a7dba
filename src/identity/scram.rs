//! SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677), as PostgreSQL stores them in
//! `pg_authid` and PgBouncer reads them from its auth_file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::base::Secret;

/// Bytes of a salt, as PostgreSQL makes them (`SCRAM_DEFAULT_SALT_LEN`).
pub const SALT_BYTES: usize = 16;
const ITERATIONS: u32 = 4096;

/// Makes the verifier of `password`. The password must be printable ASCII,
/// which SASLprep (RFC 4013) leaves as it is; all that this program makes are.
pub fn scram_verifier(password: &Secret, salt: &[u8; SALT_BYTES]) -> Secret {
    let salted =
        pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.expose().as_bytes(), salt, ITERATIONS);
    let stored_key = Sha256::digest(keyed(&salted, b"Client Key"));
    let server_key = keyed(&salted, b"Server Key");
    Secret::new(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    ))
}

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`, its salt; the
    /// stored and server keys follow from it (and are what PostgreSQL computes).
    #[test]
    fn gives_the_keys_of_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = scram_verifier(&Secret::new("pencil"), &salt.try_into().unwrap());
        assert_eq!(
            verifier.expose(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
