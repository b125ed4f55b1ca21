//! What can be typed after `pinnacectl release`.

use super::{blob, folder::Folder, keys, make, publish, roots, sign, token};
use crate::{ask::Ask, failure::Failure};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Make an offline key: FILE, encrypted, and FILE.pub for everybody; or with --pkcs11 in a token, and FILE.pub alone.
    Key {
        /// Where it goes.
        #[arg(long)]
        out: PathBuf,
        /// The key in a token: pkcs11:token=TOKEN;object=LABEL?module-path=LIBRARY&pin-source=file:PIN. One of this label that is
        /// there already is used.
        #[arg(long, value_name = "URI")]
        pkcs11: Option<String>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Begin: stage the first root, and targets without a release.
    Init {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        keys: RootKeys,
    },
    /// Stage the root's successor; what is not named stays as it is. Enough keys of both must sign it.
    RotateRoot {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        keys: RootKeys,
    },
    /// Stage a release of a stamped binary, and keep its bytes.
    Build {
        #[command(flatten)]
        at: At,
        /// The stamped binary.
        #[arg(long)]
        binary: PathBuf,
        /// Its generation: higher than any before on its platform. An old binary under a new generation is the way back.
        #[arg(long)]
        generation: i64,
        /// What people call it.
        #[arg(long)]
        version: String,
        /// Which hosts it is for: stable or canary.
        #[arg(long, default_value = "stable")]
        channel: String,
        #[command(flatten)]
        life: TargetsLife,
    },
    /// Stage targets without a generation.
    Withdraw {
        #[command(flatten)]
        at: At,
        /// The generation.
        #[arg(long)]
        generation: i64,
        #[command(flatten)]
        life: TargetsLife,
    },
    /// Stage a floor: hosts that have seen it never go below.
    Floor {
        #[command(flatten)]
        at: At,
        /// The lowest generation from then on.
        #[arg(long)]
        generation: i64,
        #[command(flatten)]
        life: TargetsLife,
    },
    /// Stage the same targets with a later end.
    Renew {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        life: TargetsLife,
    },
    /// Sign what is staged with a key, as far as the key may; several people do so one after the other.
    Sign {
        #[command(flatten)]
        at: At,
        /// The offline key: its file, or its URI (pkcs11:...) in a token.
        #[arg(long)]
        key: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Say what is staged, who has signed it and how many signatures it needs, and what is in force.
    Status {
        #[command(flatten)]
        at: At,
    },
    /// Put what is staged and signed by enough in force, and copy all into the folder that pinnaced serves.
    Publish {
        #[command(flatten)]
        at: At,
        /// The folder that pinnaced serves releases from.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Sign files with a key, for cosign: FILE.sigstore.json beside each.
    SignBlob {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The offline key.
        #[arg(long)]
        key: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Hold a file against a bundle, of Pinnace or of cosign.
    VerifyBlob {
        /// The file.
        file: PathBuf,
        /// The public key, PEM.
        #[arg(long)]
        key: PathBuf,
        /// The bundle.
        #[arg(long)]
        bundle: PathBuf,
    },
}

/// The folder.
#[derive(Args)]
pub(crate) struct At {
    /// The folder of releases.
    #[arg(long)]
    dir: PathBuf,
}

/// Who a root names; each is a public key file, or 64 hexadecimal digits for an online key.
#[derive(Args)]
pub(crate) struct RootKeys {
    /// A key that vouches for roots; all of them, if any is named.
    #[arg(long = "root-key", value_name = "FILE.pub")]
    pub(crate) root: Vec<PathBuf>,
    /// How many of them must sign.
    #[arg(long)]
    pub(crate) root_threshold: Option<i64>,
    /// A key that vouches for releases; all of them, if any is named.
    #[arg(long = "targets-key", value_name = "FILE.pub")]
    pub(crate) targets: Vec<PathBuf>,
    /// How many of them must sign.
    #[arg(long)]
    pub(crate) targets_threshold: Option<i64>,
    /// An online key of pinnaced; all of them, if any is named.
    #[arg(long = "online-key", value_name = "HEX")]
    pub(crate) online: Vec<String>,
    /// How many days the root holds.
    #[arg(long, default_value_t = 730)]
    pub(crate) root_days: i64,
}

/// How long targets hold.
#[derive(Args, Clone, Copy)]
pub(crate) struct TargetsLife {
    /// How many days the targets hold.
    #[arg(long, default_value_t = 180)]
    pub(crate) targets_days: i64,
}

/// Where a passphrase comes from, or a token's PIN that its URI names no file for.
#[derive(Args)]
pub(crate) struct Passphrase {
    /// A file whose first line is the passphrase or the PIN; without it, the terminal is asked.
    #[arg(long)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// The command.
pub(crate) fn run(ask: &Ask, command: ReleaseCommand) -> Result<(), Failure> {
    let open = |at: At| Folder::open(at.dir);
    match command {
        ReleaseCommand::Key { out, pkcs11: None, passphrase } => keys::make(&out, &passphrase),
        ReleaseCommand::Key { out, pkcs11: Some(uri), passphrase } => token::make(&out, &uri, &passphrase),
        ReleaseCommand::Init { at, keys } => roots::init(&open(at)?, &keys),
        ReleaseCommand::RotateRoot { at, keys } => roots::rotate(&open(at)?, &keys),
        ReleaseCommand::Build { at, binary, generation, version, channel, life } => {
            make::build(&open(at)?, &binary, make::Named { generation, version, channel }, life)
        }
        ReleaseCommand::Withdraw { at, generation, life } => make::withdraw(&open(at)?, generation, life),
        ReleaseCommand::Floor { at, generation, life } => make::floor(&open(at)?, generation, life),
        ReleaseCommand::Renew { at, life } => make::renew(&open(at)?, life),
        ReleaseCommand::Sign { at, key, passphrase } => sign::sign(&open(at)?, &key, &passphrase),
        ReleaseCommand::Status { at } => sign::status(ask, &open(at)?),
        ReleaseCommand::Publish { at, to } => publish::publish(&open(at)?, to.as_deref()),
        ReleaseCommand::SignBlob { files, key, passphrase } => blob::sign(&files, &key, &passphrase),
        ReleaseCommand::VerifyBlob { file, key, bundle } => keys::verify_blob(&file, &key, &bundle),
    }
}
