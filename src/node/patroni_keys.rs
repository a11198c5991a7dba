//! Patroni's keys as etcd has them, over the JSON gateway of etcd's API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use ureq::Agent;

use super::stop::Stop;

/// The names of all keys below `folder`, which ends in `/`. `etcd` are URLs of
/// the gateway ([`crate::bundle::start::Bootstrap::etcd_gateways`]), here as below.
pub fn below(agent: &Agent, etcd: &[String], folder: &str) -> Result<Vec<String>, String> {
    // '0' is the byte after '/': the range of all that begins with the folder.
    let end = format!("{}0", folder.trim_end_matches('/'));
    let (from, to) = (BASE64.encode(folder), BASE64.encode(end));
    let body = json!({ "key": from, "range_end": to, "keys_only": true });
    let (_, answer) = ask_one(agent, etcd, &body)?;
    let name = |pair: &Value| BASE64.decode(pair["key"].as_str()?).ok();
    let names = pairs(&answer).iter().filter_map(name);
    Ok(names
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect())
}

/// Asks one member after the other; the first answer counts.
fn ask_one<'e>(
    agent: &Agent,
    etcd: &'e [String],
    body: &Value,
) -> Result<(&'e String, Value), String> {
    let mut faults = Vec::new();
    for gateway in etcd {
        match post(agent, gateway, "range", body) {
            Ok(answer) => return Ok((gateway, answer)),
            Err(fault) => faults.push(format!("{gateway}: {fault}")),
        }
    }
    Err(faults.join("; "))
}

fn pairs(answer: &Value) -> &[Value] {
    answer["kvs"].as_array().map_or(&[], Vec::as_slice)
}

/// The initialise key: it holds the system identifier once a bootstrap is finished.
pub struct Initialize {
    gateway: String,
    key: String,
    value: String,
    made: String,
    revision: String,
}

impl Initialize {
    /// Reads the key; none where it is not there.
    pub fn read(agent: &Agent, etcd: &[String], key: &str) -> Result<Option<Self>, Stop> {
        let key = BASE64.encode(key);
        let asked = ask_one(agent, etcd, &json!({ "key": key }));
        let (gateway, answer) = asked.map_err(|faults| {
            Stop::World(format!("no etcd says who begins the cluster ({faults})"))
        })?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(pairs(&answer).first().map(|found| Self {
            gateway: gateway.clone(),
            key,
            value: text(&found["value"]),
            made: text(&found["create_revision"]),
            revision: text(&found["mod_revision"]),
        }))
    }

    /// Whether it holds a system identifier: the bootstrap was finished.
    pub fn is_set(&self) -> bool {
        !self.value.is_empty()
    }

    /// The system identifier that it holds.
    pub fn system_identifier(&self) -> Option<u64> {
        let bytes = BASE64.decode(&self.value).ok()?;
        String::from_utf8(bytes).ok()?.trim().parse().ok()
    }

    /// etcd's number of its making: another key of the same name has another.
    pub fn made(&self) -> &str {
        &self.made
    }

    /// Removes the key unless it has changed since it was read.
    pub fn remove(&self, agent: &Agent) -> Result<(), Stop> {
        let unchanged = json!({ "key": self.key, "target": "MOD", "result": "EQUAL", "mod_revision": self.revision });
        let removal = json!({ "request_delete_range": { "key": self.key } });
        let body = json!({ "compare": [unchanged], "success": [removal] });
        let answer = post(agent, &self.gateway, "txn", &body).map_err(Stop::World)?;
        if answer["succeeded"] == json!(true) {
            Ok(())
        } else {
            Err(Stop::World(
                "Patroni's initialise key changed meanwhile".to_owned(),
            ))
        }
    }
}

fn post(agent: &Agent, gateway: &str, verb: &str, body: &Value) -> Result<Value, String> {
    let request = agent
        .post(format!("{gateway}/kv/{verb}"))
        .header("Content-Type", "application/json");
    let mut response = request
        .send(body.to_string())
        .map_err(|fault| fault.to_string())?;
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|fault| fault.to_string())?;
    if response.status() != 200 {
        return Err(format!("answered {}", response.status()));
    }
    serde_json::from_str(&text).map_err(|fault| fault.to_string())
}
