//! The way into the dashboard for a browser without a certificate.

use crate::{ask::Ask, failure::Failure};
use serde_json::json;

/// The command `dashboard`.
pub(crate) fn run(ask: &Ask, role: Option<&str>) -> Result<(), Failure> {
    let api = ask.api()?;
    let mut link = api.post("dashboard/link", &json!({"role": role}))?;
    let url = format!("https://{}{}", api.server(), link["path"].as_str().unwrap_or_default());
    if let Some(members) = link.as_object_mut() {
        members.insert("url".into(), url.as_str().into());
    }
    ask.show(&link, |_| {
        println!("{url}");
        eprintln!("It opens once, within two minutes. Whoever has it first comes in as you.");
    });
    Ok(())
}
