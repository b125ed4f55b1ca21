//! One rule: these hosts, with these labels.

use crate::{host::Labels, pattern::HostPattern};
use protocol::identity::HostId;
use std::fmt::{self, Display};

/// It holds for a host that one of the patterns includes and that meets every demand on its labels.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Whom it is for, as a person says it.
    whom: String,
    hosts: Vec<HostPattern>,
    demands: Vec<Demand>,
}

#[derive(Debug)]
enum Demand {
    Is(String, String),
    IsNot(String, String),
    Has(String),
}

/// Why a rule does not hold for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// None of the patterns includes its name.
    Name,
    /// Its label is missing or another; the demand as typed.
    Label(String),
}

impl Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Name => out.write_str("the host's name is not among them"),
            Mismatch::Label(demand) => write!(out, "the host's labels do not meet {demand}"),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.whom)
    }
}

impl Rule {
    /// From what was typed; without hosts it is for hosts of every name.
    pub(super) fn new(hosts: Option<Vec<String>>, labels: Option<Vec<String>>) -> Result<Self, String> {
        let labels = labels.unwrap_or_default();
        let hosts = hosts.unwrap_or_else(|| vec!["*".into()]);
        let whom = whom(&hosts, &labels);
        let hosts = hosts.iter().map(|text| HostPattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { whom, hosts, demands: labels.iter().map(|text| Demand::parse(text)).collect::<Result<_, _>>()? })
    }

    /// Whether it holds.
    pub(super) fn check(&self, host: &HostId, labels: &Labels) -> Result<(), Mismatch> {
        if !self.hosts.iter().any(|pattern| pattern.includes(host)) {
            return Err(Mismatch::Name);
        }
        let unmet = self.demands.iter().find(|demand| !demand.is_met(labels));
        unmet.map_or(Ok(()), |demand| Err(Mismatch::Label(demand.to_string())))
    }
}

/// `hosts named web-* or db-* with the labels role=web and env!=dev`.
fn whom(hosts: &[String], labels: &[String]) -> String {
    let named = match hosts {
        [] => return "no host".into(),
        hosts if hosts.iter().any(|pattern| pattern == "*") => "every host".into(),
        hosts => format!("hosts named {}", hosts.join(" or ")),
    };
    match labels {
        [] => named,
        [label] => format!("{named} with the label {label}"),
        labels => format!("{named} with the labels {}", labels.join(" and ")),
    }
}

impl Demand {
    fn parse(text: &str) -> Result<Self, String> {
        let checked = |name: &str, value: &str| {
            let labels = Labels::from([(name.to_string(), value.to_string())]);
            crate::host::check_labels(&labels).map(|()| (name.to_string(), value.to_string()))
        };
        if let Some((name, value)) = text.split_once("!=") {
            return checked(name, value).map(|(name, value)| Demand::IsNot(name, value));
        }
        match text.split_once('=') {
            Some((name, value)) => checked(name, value).map(|(name, value)| Demand::Is(name, value)),
            None => checked(text, "any").map(|(name, _)| Demand::Has(name)),
        }
    }

    fn is_met(&self, labels: &Labels) -> bool {
        match self {
            Demand::Is(name, value) => labels.get(name) == Some(value),
            Demand::IsNot(name, value) => labels.get(name) != Some(value),
            Demand::Has(name) => labels.contains_key(name),
        }
    }
}

impl Display for Demand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Demand::Is(name, value) => write!(out, "{name}={value}"),
            Demand::IsNot(name, value) => write!(out, "{name}!={value}"),
            Demand::Has(name) => out.write_str(name),
        }
    }
}
