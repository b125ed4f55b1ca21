//! A control plane and its first admin.

use crate::{
    published::Publisher,
    rig::{Domain, Reply, Server, eventually},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A running control plane.
pub(crate) struct Desk {
    pub(crate) server: Server,
    pub(crate) domain: Domain,
}

/// One route of the document.
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) operation: Value,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let domain = Domain::new();
        Self { server: Server::start(&domain), domain }
    }

    /// With the host web-1 on record, which holds the credential db.
    pub(crate) fn with_host() -> Self {
        let desk = Self::new();
        assert_eq!(desk.server.curl(&desk.domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
        eventually("the host on record", || body(&desk.post("hosts/find", &json!({})))["total"] == 1);
        desk
    }

    /// Publishes these generations, and waits until one can be rolled out.
    pub(crate) fn publish(&self, generations: &[i64]) {
        Publisher::new(&self.domain).publish(&self.domain, generations);
        let asked = json!({"generation": generations[0], "reason": "a test", "dry_run": true});
        eventually("the release is offered", || self.post("rollout/start", &asked).status == 200);
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.domain.path("operators/admin.pem")
    }

    /// The identity of an operator.
    pub(crate) fn operator(&self, role: &str, name: &str) -> PathBuf {
        self.domain.identity(&[&format!("spiffe://example.org/operator/{role}/{name}")], 1)
    }

    /// A GET of the admin's.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.server.operate(&self.admin(), &format!("/v1/operators/{path}"), None)
    }

    /// A POST of the admin's.
    pub(crate) fn post(&self, path: &str, asked: &Value) -> Reply {
        self.server.operate(&self.admin(), &format!("/v1/operators/{path}"), Some(&asked.to_string()))
    }

    /// The OpenAPI document.
    pub(crate) fn document(&self) -> Value {
        body(&self.server.operate(&self.admin(), "/v1/openapi.json", None))
    }

    /// What the audit log holds of operators' changes.
    pub(crate) fn changes(&self) -> Vec<Value> {
        let records = self.domain.audit_lines().into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        records.filter(|record| record["by"].as_str().is_some_and(|by| by.starts_with("spiffe://"))).collect()
    }
}

/// Every route of a document.
pub(crate) fn routes(document: &Value) -> Vec<Route> {
    let of_path = |(path, methods): (&String, &Value)| {
        let route = |(method, operation): (&String, &Value)| Route { method: method.clone(), path: path.clone(), operation: operation.clone() };
        methods.as_object().unwrap().iter().map(route).collect::<Vec<_>>()
    };
    document["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

pub(crate) fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

/// Status and code of a refusal.
pub(crate) fn refused(reply: &Reply) -> (u16, String) {
    (reply.status, body(reply)["code"].as_str().unwrap_or_default().to_string())
}
