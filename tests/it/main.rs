mod archive;
mod store;
