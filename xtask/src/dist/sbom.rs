//! The bill of materials of the client alone: CycloneDX 1.5, the same bytes for the same commit.

use super::graph::Member;
use crate::shell::{Done, output, root};
use cyclonedx_bom::{
    models::{
        component::Classification,
        dependency::{Dependencies, Dependency},
        hash::{Hash, HashAlgorithm, HashValue, Hashes},
        license::{LicenseChoice, Licenses},
        tool::Tools,
    },
    prelude::{Bom, Component, Components, DateTime, Metadata, Purl, SpdxExpression, SpecVersion},
};
use std::{fmt::Display, process::Command};

/// Where our own crates come from: they are in no registry, and a package URL of theirs would name somebody else's.
const OURS: &str = "pinnace";

/// From the client's crates and the date it shall bear, in seconds since 1970.
pub(super) fn make(members: &[Member], date: u32) -> Done<Vec<u8>> {
    let client = members.iter().find(|member| member.is_client()).ok_or("the client is not made of itself")?;
    let others = members.iter().filter(|member| !member.is_client());
    let named = |name: &String| members.iter().find(|member| member.name == *name).map(reference);
    let dependency =
        |member: &Member| Dependency { dependency_ref: reference(member), dependencies: member.needs.iter().filter_map(named).collect() };
    let metadata = Metadata {
        timestamp: Some(timestamp(date)?),
        tools: Some(Tools::Object { services: None, components: Some(Components(vec![compiler()?])) }),
        component: Some(component(client)?),
        ..Metadata::default()
    };
    let bill = Bom {
        serial_number: None,
        metadata: Some(metadata),
        components: Some(Components(others.map(component).collect::<Done<_>>()?)),
        dependencies: Some(Dependencies(members.iter().map(dependency).collect())),
        ..Bom::default()
    };
    let mut bytes = Vec::new();
    bill.output_as_json(&mut bytes, SpecVersion::V1_5).map_err(|cause| wrong(&cause))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn component(member: &Member) -> Done<Component> {
    let license = SpdxExpression::try_from(member.license.clone()).map_err(|cause| wrong(&format!("{}: {cause}", member.name)))?;
    let (kind, name) = if member.is_client() { (Classification::Application, OURS) } else { (Classification::Library, member.name.as_str()) };
    let mut component = Component::new(kind, name, &member.version, Some(reference(member)));
    component.licenses = Some(Licenses(vec![LicenseChoice::Expression(license)]));
    if let Some(checksum) = &member.checksum {
        component.hashes = Some(Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content: HashValue(checksum.clone()) }]));
        component.purl = Some(Purl::new("cargo", &member.name, &member.version).map_err(|cause| wrong(&cause))?);
    }
    Ok(component)
}

/// What a crate is called inside the bill.
fn reference(member: &Member) -> String {
    let (kind, name, version) = (if member.checksum.is_some() { "pkg:cargo" } else { OURS }, &member.name, &member.version);
    format!("{kind}/{name}@{version}")
}

/// The compiler, whose standard library is in the client too.
fn compiler() -> Done<Component> {
    let said = output(Command::new("rustc").arg("-V").current_dir(root()))?;
    let version = said.split_whitespace().nth(1).ok_or_else(|| wrong(&format!("rustc says {said:?}")))?;
    Ok(Component::new(Classification::Application, "rustc", version, None))
}

fn timestamp(date: u32) -> Done<DateTime> {
    let said = output(Command::new("date").args(["--utc", "--date", &format!("@{date}"), "+%Y-%m-%dT%H:%M:%SZ"]))?;
    DateTime::try_from(said.trim().to_owned()).map_err(|cause| wrong(&cause))
}

fn wrong(cause: &dyn Display) -> String {
    format!("the bill of materials: {cause}")
}

#[cfg(test)]
mod tests {
    use super::make;
    use crate::dist::graph::tests::{allowed, found};
    use cyclonedx_bom::prelude::{Bom, SpecVersion, Validate, ValidationResult};
    use std::collections::BTreeSet;

    #[test]
    fn the_bill_of_materials_lists_the_clients_crates_and_no_other() {
        let bytes = make(&found(), 1_700_000_000).unwrap();
        assert_eq!(bytes, make(&found(), 1_700_000_000).unwrap());
        let bill = Bom::parse_from_json_with_version(bytes.as_slice(), SpecVersion::V1_5).unwrap();
        let verdict: ValidationResult = bill.validate_version(SpecVersion::V1_5);
        assert!(verdict.passed(), "{verdict:?}");
        let components = bill.components.unwrap().0;
        let listed: BTreeSet<String> = components.iter().map(|component| component.name.to_string()).chain(["client".to_owned()]).collect();
        assert_eq!(listed, allowed());
        assert_eq!(components.len() + 1, allowed().len());
        let metadata = bill.metadata.unwrap();
        assert_eq!(metadata.timestamp.unwrap().to_string(), "2023-11-14T22:13:20Z");
        let dependencies = bill.dependencies.unwrap().0;
        let client = metadata.component.unwrap().bom_ref.unwrap();
        let needed = dependencies.iter().find(|dependency| dependency.dependency_ref == client).unwrap();
        assert!(needed.dependencies.iter().any(|name| name.starts_with("pkg:cargo/rustls@")), "{needed:?}");
        for component in components.iter().filter(|component| component.purl.is_some()) {
            assert_eq!(component.hashes.as_ref().map(|hashes| hashes.0.len()), Some(1), "{component:?}");
        }
    }
}
