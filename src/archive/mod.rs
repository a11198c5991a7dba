//! Trees and blobs to bytes and back: role bundles (`tar`, over `gzip`),
//! seed images (`iso`), and the one reader that hosts unpack with (`untar`).

#[cfg(feature = "workstation")]
mod behind;
#[cfg(feature = "workstation")]
mod gzip;
#[cfg(feature = "workstation")]
pub mod iso;
#[cfg(feature = "workstation")]
pub mod tar;
pub mod untar;
