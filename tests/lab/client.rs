//! Clients in the lab's network: of the database, and of the REST interfaces.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{Failure, Said, ask, ask_with_input, command_in, run};
use crate::lab::Lab;
use crate::release::Release;

/// HAProxy's port for the primary.
pub const READ_WRITE: u16 = 5000;
/// HAProxy's port for the replicas.
pub const REPLICAS: u16 = 5001;
/// HAProxy's port for the synchronous standby.
pub const SYNCHRONOUS: u16 = 5002;
/// HAProxy's port for the asynchronous replicas.
pub const ASYNCHRONOUS: u16 = 5003;

/// Makes psql print the answer alone, and fail where the server does.
pub const QUIETLY: [&str; 6] = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"];

/// A client that trusts the cluster's CA and knows the superuser's password.
#[derive(Clone)]
pub struct Client {
    namespace: PathBuf,
    vip: Ipv4Addr,
    ca: PathBuf,
    password: String,
}

impl Client {
    /// A client of the cluster that runs in `lab`.
    pub fn of(lab: &Lab, release: &Release) -> Result<Self, Failure> {
        Ok(Self {
            namespace: lab.namespace(),
            vip: lab.cluster.vip,
            ca: release.public.join("ca.pem"),
            password: release.password("superuser")?,
        })
    }

    /// Runs SQL on the primary, through the VIP and HAProxy.
    pub fn write_through_vip(&self, sql: &str) -> Result<String, Failure> {
        self.sql(self.vip, READ_WRITE, sql)
    }

    /// Runs SQL on a replica, through the VIP and HAProxy.
    pub fn read_through_vip(&self, sql: &str) -> Result<String, Failure> {
        self.sql(self.vip, REPLICAS, sql)
    }

    /// Runs SQL through an address and port. Whatever the proxy, the database's own
    /// certificate must be shown, and that must be of the VIP.
    pub fn sql(&self, address: Ipv4Addr, port: u16, sql: &str) -> Result<String, Failure> {
        let tls = format!("sslmode=verify-full sslrootcert={}", self.ca.display());
        run(&mut self.psql(address, port, &tls, sql))
    }

    /// Tries SQL once, in so many seconds at the most; whatever its end. A client that is
    /// killed has no answer: what it asked for may have been done or not.
    pub fn attempt(
        &self,
        address: Ipv4Addr,
        port: u16,
        sql: &str,
        seconds: u32,
    ) -> Result<Said, Failure> {
        let mut timeout = command_in(&self.namespace, "timeout");
        timeout
            .env("PGPASSWORD", &self.password)
            .arg("--signal=KILL")
            .arg(seconds.to_string())
            .arg("psql")
            .args(QUIETLY)
            .args(["-c", sql])
            .arg(self.target(address, port, "sslmode=require", 2));
        ask(&mut timeout)
    }

    /// The same through the VIP, on the port for writing.
    pub fn attempt_through_vip(&self, sql: &str, seconds: u32) -> Result<Said, Failure> {
        self.attempt(self.vip, READ_WRITE, sql, seconds)
    }

    /// Tries SQL without TLS.
    pub fn sql_in_the_clear(&self, address: Ipv4Addr, port: u16) -> Result<Said, Failure> {
        ask(&mut self.psql(address, port, "sslmode=disable", "select 1"))
    }

    fn psql(&self, address: Ipv4Addr, port: u16, tls: &str, sql: &str) -> Command {
        let mut psql = command_in(&self.namespace, "psql");
        psql.env("PGPASSWORD", &self.password)
            .args(QUIETLY)
            .args(["-c", sql])
            .arg(self.target(address, port, tls, 5));
        psql
    }

    fn target(&self, address: Ipv4Addr, port: u16, tls: &str, seconds: u32) -> String {
        format!(
            "host={} hostaddr={address} port={port} user=postgres dbname=postgres \
             connect_timeout={seconds} {tls}",
            self.vip
        )
    }

    /// Asks a URL without a client certificate; standard output ends with the status.
    pub fn curl(&self, url: &str, options: &[&str]) -> Result<Said, Failure> {
        ask(self.curl_command(url).args(options))
    }

    /// Asks a URL with a name and password, which no process list shows.
    pub fn curl_as(&self, user: &str, url: &str, options: &[&str]) -> Result<Said, Failure> {
        let mut curl = self.curl_command(url);
        curl.args(options).args(["--config", "-"]);
        ask_with_input(&mut curl, &format!("user = \"{user}\"\n"))
    }

    fn curl_command(&self, url: &str) -> Command {
        let mut curl = command_in(&self.namespace, "curl");
        curl.args(["--silent", "--show-error", "--max-time", "10"])
            .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
            .arg("--cacert")
            .arg(&self.ca)
            .arg(url);
        curl
    }
}
