//! The one closed table of what `pinnaced` fails with: the same word at a terminal, in its log and in docs/operations.md.

macro_rules! codes {
    ($($variant:ident $code:literal $meaning:literal $step:literal;)*) => {
        /// One kind of next step for whoever runs it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// The stable word, such as `listen.in-use`.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }

        /// Word, meaning and next step of each, in the order of the table.
        #[cfg(test)]
        const ROWS: &[[&str; 3]] = &[$([$code, $meaning, $step],)*];
    };
}

codes! {
    Usage "usage.invalid" "the command line is not understood" "`pinnaced help`, and `pinnaced help COMMAND`";
    DomainExists "domain.exists" "`init` was given a folder with something in it" "name another folder; nothing was touched";
    ConfigInvalid "config.invalid" "`pinnaced.toml` says what cannot be" "correct the key named";
    FileUnreadable "file.unreadable" "a file cannot be read" "check its path, size, owner and mode";
    FileUnwritable "file.unwritable" "a file, or standard output, cannot be written; or the file is there already" "check its path, owner and free space";
    KeyExposed "key.exposed" "others than its owner may read a private key" "chmod 0600; if others may have read it, replace the key";
    KeyUnusable "key.unusable" "a private key is not of the kind that its place takes, or not the one on record" "put the right key there, or name it rightly";
    KeyRefused "key.refused" "the rules of rotation do not allow the order, or there is no such key" "wait as the reason says, name another, or `--force` with a `--reason`";
    Pkcs11Failed "pkcs11.failed" "the hardware module, its token, or the key named in it cannot be used" "check `[pkcs11]`, the PIN and the token";
    CertificateUnusable "certificate.unusable" "a certificate is damaged, no CA's, or of another key than the one beside it" "replace the file named";
    PolicyInvalid "policy.invalid" "the policy says what cannot be" "correct it; the one in force stays";
    ReleasesRefused "releases.refused" "what lies in the releases' folder is damaged, over, or older than what was offered" "publish with `pinnacectl release`; what was offered is offered still";
    StoreUnavailable "store.unavailable" "the database cannot be reached, read or written" "check that it runs, its disk, and `[store]`";
    StoreVersion "store.version" "the database is of another release's version" "run the release that the reason names";
    StoreNameTaken "store.name-taken" "another `pinnaced` is connected under the same name" "give each its own `name`, or end the other one";
    StoreNotEmpty "store.not-empty" "`restore` was given a database with something in it" "move it away, or name an empty one";
    BackupUnusable "backup.unusable" "the file is no backup, damaged, or of another version" "use another backup, or the release that made it";
    ListenInUse "listen.in-use" "somebody listens at the address already" "end whoever does, or name another port";
    ListenRefused "listen.refused" "the system does not let it listen there" "name an address of this machine, and a port that its user may take";
    SystemLimits "system.limits" "the system gives no thread, memory or descriptor" "raise the unit's limits";
    Internal "run.internal" "it failed in a way it does not know" "report it with the log";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_code_stands_for_one_thing() {
        let of = |column: usize| ROWS.iter().map(|row| row[column]).collect::<BTreeSet<_>>().len();
        assert_eq!((of(0), of(1), of(2)), (ROWS.len(), ROWS.len(), ROWS.len()));
        for [code, ..] in ROWS {
            let words = code.split('.').filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
            assert_eq!((words.count(), code.matches('.').count()), (2, 1), "{code}");
        }
    }

    #[test]
    fn the_page_for_operators_holds_the_table() {
        let table: String = ROWS.iter().map(|[code, meaning, step]| format!("| `{code}` | {meaning} | {step} |\n")).collect();
        let table = format!("| code | what it means | what to do |\n|---|---|---|\n{table}\n");
        assert!(include_str!("../../../docs/operations.md").contains(&table), "docs/operations.md holds another table than:\n{table}");
    }
}
