//! A site as JSON, always the same bytes for the same site.

use super::{Credential, Delivery, Endpoint, Kind, Site};
use crate::json::{Value, object};
use alloc::{
    format,
    string::{String, ToString},
};

impl Site {
    /// As it is stamped.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut value = object([
            ("version", 1.into()),
            ("name", self.name.as_str().into()),
            ("trust_domain", self.trust_domain.as_str().into()),
            ("endpoints", Value::Array(self.endpoints.iter().map(endpoint).collect())),
            ("roots_pem", self.roots_pem.as_str().into()),
            ("time_keys", texts(&self.time_keys)),
            ("state_dir", self.state_dir.as_str().into()),
            ("host_file", self.host_file.as_str().into()),
            ("deadline_seconds", i64::from(self.deadline_seconds).into()),
            ("proxy", optional(self.proxy.as_deref())),
            ("credentials", Value::Array(self.credentials.iter().map(credential).collect())),
        ]);
        // Written only where there is one, so that a site without keeps its bytes.
        if let (Value::Object(members), Some(root)) = (&mut value, &self.update_root) {
            members.push(("update_root".to_string(), root.as_str().into()));
        }
        value.to_string()
    }
}

fn endpoint(endpoint: &Endpoint) -> Value {
    object([("host", endpoint.host.as_str().into()), ("port", i64::from(endpoint.port).into()), ("addresses", texts(&endpoint.addresses))])
}

fn credential(credential: &Credential) -> Value {
    let deliveries = credential.deliveries.iter().map(delivery).collect();
    let mut value = object([("name", credential.name.as_str().into()), ("deliveries", Value::Array(deliveries))]);
    // Written only where there is one, so that a site without keeps its bytes.
    if let (Value::Object(members), Some(key)) = (&mut value, credential.key) {
        members.insert(1, ("key".to_string(), key.name().into()));
    }
    value
}

fn delivery(delivery: &Delivery) -> Value {
    let mut value = object([
        ("kind", delivery.kind.name().into()),
        ("format", delivery.format.name().into()),
        ("mode", optional(delivery.mode.map(|mode| format!("{mode:04o}")).as_deref())),
        ("owner", optional(delivery.owner.as_deref())),
    ]);
    if let Value::Object(members) = &mut value {
        match &delivery.kind {
            Kind::File { path } | Kind::Directory { path } => members.push(("path".to_string(), path.as_str().into())),
            Kind::Socket { path, peer_uid } => {
                members.push(("path".to_string(), path.as_str().into()));
                members.push(("peer_uid".to_string(), peer_uid.map_or(Value::Null, |uid| i64::from(uid).into())));
            }
            Kind::Exec { argv } => members.push(("argv".to_string(), texts(argv))),
            Kind::Stdout => {}
        }
    }
    value
}

fn texts(items: &[String]) -> Value {
    Value::Array(items.iter().map(|item| item.as_str().into()).collect())
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
