//! Texts with places for what is known of a host: `{id}`, `{host}`, `{trust_domain}`, `{label.NAME}`.

use crate::host::Labels;
use protocol::identity::HostId;

const BYTES_MAX: usize = 512;

/// A text with places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Id,
    Host,
    TrustDomain,
    Label(String),
}

impl Template {
    /// As it is typed.
    ///
    /// # Errors
    /// In words, for a place that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > BYTES_MAX || text.chars().any(char::is_control) {
            return Err(format!("{text:?} must be 1 to {BYTES_MAX} bytes without control characters"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or_else(|| format!("{text:?}: there is a {{ without its }}"))?;
            parts.push(Part::Text(before.into()));
            parts.push(match place {
                "id" => Part::Id,
                "host" => Part::Host,
                "trust_domain" => Part::TrustDomain,
                _ => match place.strip_prefix("label.") {
                    Some(label) => Part::Label(label.into()),
                    None => return Err(format!("{text:?}: {{{place}}} is none of {{id}} {{host}} {{trust_domain}} {{label.NAME}}")),
                },
            });
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// The text for one host.
    ///
    /// # Errors
    /// The name of a label that the host does not have.
    pub fn fill(&self, host: &HostId, labels: &Labels) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Id => text.push_str(&host.to_string()),
                Part::Host => text.push_str(host.host()),
                Part::TrustDomain => text.push_str(host.trust_domain()),
                Part::Label(name) => text.push_str(labels.get(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_a_missing_label_is_named() {
        let host = HostId::new("example.org", "web-1").unwrap();
        let labels = Labels::from([("role".into(), "web".into())]);
        let fill = |text: &str| Template::parse(text).unwrap().fill(&host, &labels);
        assert_eq!(fill("{id}").unwrap(), "spiffe://example.org/host/web-1");
        assert_eq!(fill("spiffe://{trust_domain}/{label.role}/{host}!").unwrap(), "spiffe://example.org/web/web-1!");
        assert_eq!(fill("{label.site}"), Err("site".into()));
        for text in ["", "{", "{host", "{other}", "a\nb"] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }
}
