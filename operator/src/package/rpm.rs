//! An rpm of format 4 with a gzip payload: that of el7 knows no other that is newer.

use super::{
    DESCRIPTION, LICENSE, NAME, Package, SUMMARY,
    contents::{Entry, What},
};
use rpm::{BuildConfig, CompressionWithLevel, Error, FileOptions, PackageBuilder};

const RELEASE: &str = "1";
const LEVEL: u32 = 9;
/// The number that a scriptlet of an erasure is given, and not one of an upgrade.
const ERASED: u32 = 0;

pub(super) fn name(package: &Package) -> String {
    format!("{NAME}-{}-{RELEASE}.{}.rpm", package.version, package.contents.machine.name())
}

pub(super) fn make(package: &Package) -> Result<Vec<u8>, Error> {
    let contents = &package.contents;
    let mut builder = PackageBuilder::new(NAME, &package.version, LICENSE, contents.machine.name(), SUMMARY);
    builder
        .using_config(BuildConfig::v4().compression(CompressionWithLevel::Gzip(LEVEL)).source_date(package.date))
        .release(RELEASE)
        .description(DESCRIPTION)
        .packager(&package.maintainer)
        .build_host("localhost")
        .cookie(format!("{NAME}-{}", package.version))
        .post_install_script(contents.installed.as_str())
        .pre_uninstall_script(format!("if [ \"$1\" = {ERASED} ]; then\n{}fi\n", contents.removing))
        .post_uninstall_script(contents.removed);
    for Entry { path, mode, what } in &contents.entries {
        let permissions = u16::try_from(*mode).unwrap_or(u16::MAX);
        match what {
            What::File(bytes) => builder.with_file_contents(bytes.clone(), FileOptions::new(path).permissions(permissions))?,
            What::Folder => builder.with_dir_entry(FileOptions::dir(path).permissions(permissions))?,
            What::Link(target) => builder.with_symlink(FileOptions::symlink(path, *target))?,
        };
    }
    let mut bytes = Vec::new();
    builder.build()?.write(&mut bytes)?;
    Ok(bytes)
}
