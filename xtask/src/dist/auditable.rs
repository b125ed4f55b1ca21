//! The list of its crates inside the client, in cargo-auditable's format: JSON, compressed, in a section `.dep-v0` that is never
//! loaded. What audits binaries reads it: `cargo audit bin`, trivy, grype, syft.

use super::graph::Member;
use crate::shell::Done;
use auditable_serde::{DependencyKind, Package, Source, VersionInfo};
use object::{
    Architecture, BinaryFormat, Endianness, Object as _, ObjectSection as _, SectionFlags, SectionKind,
    elf::{self, SHT_PROGBITS},
    write::{Object, StandardSegment},
};

const SECTION: &str = ".dep-v0";
/// As cargo-auditable compresses it.
const LEVEL: u8 = 7;

/// What the section holds.
pub(super) fn list(members: &[Member]) -> Done<Vec<u8>> {
    let wrong = |cause: &dyn std::fmt::Display| format!("the auditable list: {cause}");
    let place = |name: &String| members.iter().position(|member| member.name == *name).ok_or_else(|| wrong(&format!("nobody is {name}")));
    let package = |member: &Member| -> Done<Package> {
        Ok(Package {
            name: member.name.clone(),
            version: member.version.parse().map_err(|cause| wrong(&cause))?,
            source: if member.checksum.is_some() { Source::CratesIo } else { Source::Local },
            kind: DependencyKind::Runtime,
            dependencies: member.needs.iter().map(place).collect::<Done<_>>()?,
            root: member.is_client(),
        })
    };
    let info = VersionInfo { packages: members.iter().map(package).collect::<Done<_>>()?, format: 0 };
    let json = serde_json::to_vec(&info).map_err(|cause| wrong(&cause))?;
    Ok(miniz_oxide::deflate::compress_to_vec_zlib(&json, LEVEL))
}

/// An object file of that section alone, for the linker.
pub(super) fn object(list: &[u8], target: &str) -> Done<Vec<u8>> {
    let architecture = if target.starts_with("aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };
    let mut file = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
    let segment = file.segment_name(StandardSegment::Data).to_vec();
    let section = file.add_section(segment, SECTION.into(), SectionKind::ReadOnlyData);
    // Not loaded, and so never collected as garbage and no cost at run time.
    file.section_mut(section).flags = SectionFlags::Elf { sh_type: SHT_PROGBITS, sh_flags: elf::SectionFlags(0) };
    file.append_section_data(section, list, 1);
    file.write().map_err(|cause| format!("the auditable list: {cause}"))
}

/// The list in a program.
pub(super) fn read(program: &[u8]) -> Option<Vec<u8>> {
    let file = object::File::parse(program).ok()?;
    Some(file.section_by_name(SECTION)?.data().ok()?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::{list, object, read};
    use crate::dist::{
        TARGETS,
        graph::tests::{allowed, found},
    };
    use auditable_serde::{Source, VersionInfo};
    use std::collections::BTreeSet;

    #[test]
    fn the_auditable_list_names_the_clients_crates_and_no_other() {
        let made = list(&found()).unwrap();
        for target in TARGETS {
            assert_eq!(read(&object(&made, target).unwrap()), Some(made.clone()));
        }
        let json = miniz_oxide::inflate::decompress_to_vec_zlib(&made).unwrap();
        let info: VersionInfo = serde_json::from_slice(&json).unwrap();
        assert_eq!(info.packages.iter().map(|package| package.name.clone()).collect::<BTreeSet<_>>(), allowed());
        let roots: Vec<_> = info.packages.iter().filter(|package| package.root).collect();
        assert!(roots.len() == 1 && roots[0].name == "client", "{roots:?}");
        assert!(
            info.packages
                .iter()
                .all(|package| (package.source == Source::Local) == ["client", "host", "protocol", "trust"].contains(&package.name.as_str()))
        );
        assert!(made.len() < 2_000, "{} bytes", made.len());
    }
}
