//! The one closed table of reasons: the same word in exit status, log, telemetry and documentation.

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// This host: its disk, clock, permissions, configuration.
    Host,
    /// What lies between the host and the control plane.
    Network,
    /// The control plane or its operators.
    ControlPlane,
    /// Pinnace itself.
    Us,
}

impl Fault {
    /// Its word in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::Host => "host",
            Fault::Network => "network",
            Fault::ControlPlane => "control-plane",
            Fault::Us => "us",
        }
    }
}

macro_rules! reasons {
    ($($variant:ident $code:literal $exit:literal $fault:ident $retry:literal $summary:literal $hint:literal;)*) => {
        /// Why a run ended as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $summary] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            fn row(self) -> Row {
                match self {
                    $(Reason::$variant => Row { code: $code, exit: $exit, fault: Fault::$fault, retry: $retry, summary: $summary, hint: $hint },)*
                }
            }
        }
    };
}

struct Row {
    code: &'static str,
    exit: u8,
    fault: Fault,
    retry: bool,
    summary: &'static str,
    hint: &'static str,
}

impl Reason {
    /// The stable word, such as `tls.wrong-name`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The exit status of a run that ends with it; no two reasons share one.
    #[must_use]
    pub fn exit(self) -> u8 {
        self.row().exit
    }

    /// Who can mend it.
    #[must_use]
    pub fn fault(self) -> Fault {
        self.row().fault
    }

    /// Whether trying again without a change can help.
    #[must_use]
    pub fn retry(self) -> bool {
        self.row().retry
    }

    /// What happened, in one line.
    #[must_use]
    pub fn summary(self) -> &'static str {
        self.row().summary
    }

    /// The next step for a person.
    #[must_use]
    pub fn hint(self) -> &'static str {
        self.row().hint
    }

    /// By its word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// By its exit status.
    #[must_use]
    pub fn from_exit(exit: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.exit() == exit)
    }
}

reasons! {
    Ok "ok" 0 None false "the credential is in place" "nothing to do";
    Usage "usage.invalid" 2 Host false "the command line is not understood" "see pinnace --help";
    IdentityExpired "identity.expired" 8 Host true "this host's certificate has ended" "nothing to do; a run of pinnace asks the control plane to take the host back";
    IdentityForeign "identity.unknown-authority" 9 Host true "this host's certificate is not from the control plane's CA" "nothing to do; a run of pinnace asks the control plane to take the host back";
    SiteUnstamped "site.unstamped" 10 Us false "this binary carries no site" "stamp it: pinnacectl stamp --site SITE.toml --binary pinnace --out FILE";
    SiteCorrupt "site.corrupt" 11 Host false "the stamped site fails its checksum" "the file is damaged: install the release again";
    SiteUnsupported "site.unsupported" 12 Us false "the stamped site is of another format version" "stamp this release with the pinnacectl of the same version";
    SiteInvalid "site.invalid" 13 Us false "the stamped site contradicts itself" "run pinnacectl site check on the site file and stamp again";
    HostFileInvalid "host-file.invalid" 14 Host false "the host file is not understood" "correct the line named, or remove the file";
    HostFileUnreadable "host-file.unreadable" 15 Host false "the host file cannot be read" "check its owner and mode";
    IdentityMissing "identity.missing" 16 Host false "this host has no identity yet" "give this host a token and run: pinnace enroll --token-file FILE";
    IdentityUnreadable "identity.unreadable" 17 Host false "the host's identity cannot be read" "check owner and mode of identity.pem; it is read by the user pinnace runs as";
    IdentityInvalid "identity.invalid" 18 Host false "identity.pem holds no usable key and certificate" "issue the host a new identity";
    HostRefused "identity.refused" 19 ControlPlane false "the control plane has put this host out" "ask its operators; pinnacectl hosts lift brings it back";
    NoEntropy "host.no-entropy" 20 Host true "the kernel has no randomness to give" "early in boot it comes with time; in a chroot without getrandom, provide /dev/urandom";
    OutOfDescriptors "host.out-of-descriptors" 21 Host true "no file descriptor is left" "raise LimitNOFILE for the unit; pinnace needs about ten";
    StateUnwritable "state.unwritable" 22 Host true "the state directory cannot be written" "check that it exists, is on a writable file system, and has room";
    StateCorrupt "state.corrupt" 23 Host true "a state file was damaged and set aside" "nothing to do; if it comes back, check the disk";
    AlreadyRunning "run.already-running" 24 Host true "another run is under way" "nothing to do; the other run does the work";
    EnrollRefused "enroll.refused" 25 ControlPlane false "the control plane does not let this host in" "check token, host name and the host's labels with the control plane's operators";
    EnrollTokenInvalid "enroll.token-invalid" 26 Host false "the token cannot be used" "ask for a fresh token: pinnacectl token create";
    AlreadyEnrolled "enroll.already-enrolled" 27 Host false "this host has an identity already" "nothing to do; to start anew, move identity.pem away";
    RecoveryWaiting "recovery.waiting" 28 ControlPlane true "this host's return waits for an operator" "ask the control plane's operators: pinnacectl hosts approve HOST";
    RecoveryRefused "recovery.refused" 29 ControlPlane false "the control plane does not take this host back" "enroll it again with a fresh token";
    DnsNoServer "dns.no-server" 30 Host true "no name server is configured and no other address is known" "check /etc/resolv.conf, or stamp addresses into the site";
    DnsNotFound "dns.name-not-found" 31 Network true "the name server says the control plane's name does not exist" "check the name in the site and the zone";
    DnsServerFailure "dns.server-failure" 32 Network true "the name server failed or refused" "check the resolver this host is given";
    DnsTimeout "dns.timeout" 33 Network true "no name server answered" "check the way to the name servers, UDP and TCP port 53";
    DnsMalformed "dns.malformed" 34 Network true "the name server's answer is not DNS" "something on the way answers in its place";
    DnsNoAddress "dns.no-address" 35 Network true "the name has no address" "check the zone's A and AAAA records";
    ConnectRefused "connect.refused" 40 Network true "the connection was refused" "check that pinnaced listens there, and firewalls that reject";
    ConnectTimeout "connect.timeout" 41 Network true "the connection was not answered" "a firewall may drop packets; check the route and the port";
    ConnectUnreachable "connect.unreachable" 42 Network true "there is no route to the control plane" "check this host's interfaces and routes";
    ConnectDenied "connect.denied" 43 Host false "this host does not let pinnace connect" "check local firewall, sandboxing of the unit and mandatory access control";
    ProxyUnreachable "proxy.unreachable" 45 Network true "the proxy cannot be reached" "check the proxy named in the site or host file";
    ProxyRefused "proxy.refused" 46 Network true "the proxy refused to connect" "allow CONNECT to the control plane's name and port on the proxy";
    ProxyAuthentication "proxy.authentication" 47 Network false "the proxy asks for credentials" "pinnace sends none; allow this host by address";
    ProxyMalformed "proxy.malformed" 48 Network true "what answers is not an HTTP proxy" "check the proxy named in the site or host file";
    TlsUnknownAuthority "tls.unknown-authority" 50 Network true "the certificate shown is not from this site's CA" "something on the way intercepts TLS, or the site needs the new CA stamped";
    TlsWrongName "tls.wrong-name" 51 ControlPlane true "the certificate shown is for another name" "check the endpoint's name in the site and the server certificate's names";
    TlsCertificateExpired "tls.certificate-expired" 52 ControlPlane true "the control plane's certificate is not valid at this time" "renew the server certificate";
    TlsCertificateInvalid "tls.certificate-invalid" 53 ControlPlane true "the control plane's certificate cannot be used" "reissue the server certificate with serverAuth";
    TlsProtocol "tls.protocol" 54 Network true "the other side does not speak TLS 1.3 as pinnace does" "something old stands in between, or the endpoint is not pinnaced";
    TlsNotTls "tls.not-tls" 55 Network true "what answers does not speak TLS" "check the port, and devices that answer in the control plane's place";
    TlsClosed "tls.closed" 56 Network true "the connection was closed during the TLS handshake" "a device on the way may cut TLS; check the server's log";
    TlsTimeout "tls.timeout" 57 Network true "the TLS handshake stood still" "check path MTU and devices on the way";
    TlsIdentityRefused "tls.identity-refused" 58 ControlPlane false "the control plane refused this host's certificate" "check the certificate's dates and CA with pinnace doctor; issue a new identity";
    ClockUnproven "tls.clock-skew" 59 ControlPlane true "this host's clock is wrong and the control plane did not prove the time" "correct the clock, or check that the site has the control plane's time key; pinnace never sets the clock";
    HttpClosed "http.closed" 60 Network true "the connection was closed before the answer was whole" "check the server's log and devices on the way";
    HttpTimeout "http.timeout" 61 Network true "the answer did not come in time" "check the control plane's load";
    HttpMalformed "http.malformed" 62 Network true "the answer is not HTTP" "something on the way answers in the control plane's place";
    HttpTooLarge "http.too-large" 63 Network true "the answer is larger than any credential" "check what answers at the endpoint";
    HttpEncoding "http.encoding" 64 Network true "the answer is in an encoding nobody asked for" "a device on the way rewrites answers";
    HttpRedirect "http.redirect" 65 Network true "the answer is a redirect, and pinnace follows none" "name the right endpoint in the site";
    HttpNotJson "http.not-json" 66 Network true "a page came in place of the credential" "a portal or a proxy answers in the control plane's place";
    HttpEmpty "http.empty" 67 ControlPlane true "the answer is empty" "check the control plane's log";
    HttpUnauthorized "http.unauthorized" 68 ControlPlane false "the control plane does not know this host" "check the host's identity with pinnace doctor";
    HttpForbidden "http.forbidden" 69 ControlPlane false "policy does not allow this host the credential" "add the host to the credential's policy";
    HttpNotFound "http.not-found" 70 ControlPlane false "the control plane knows no such credential" "check the credential's name in the site and in the policy";
    HttpThrottled "http.throttled" 71 ControlPlane true "the control plane asks for fewer requests" "nothing to do; the next run tries again";
    HttpUnavailable "http.unavailable" 72 ControlPlane true "the control plane is not ready to answer" "check the control plane's /readyz";
    HttpServerError "http.server-error" 73 ControlPlane true "the control plane failed" "check the control plane's log";
    HttpStatus "http.unexpected-status" 74 Network true "the answer has a status that the protocol does not use" "check what answers at the endpoint";
    CredentialKeyNotTaken "credential.key-not-taken" 79 ControlPlane false "the credential's kind takes no key of this host" "take the key out of the credential in the site and stamp again";
    CredentialMalformed "credential.malformed" 80 ControlPlane true "the answer is not a credential" "check versions of pinnace and pinnaced";
    CredentialWrongName "credential.wrong-name" 81 ControlPlane true "another credential came than was asked for" "report it";
    CredentialWrongSubject "credential.wrong-subject" 82 ControlPlane true "the credential is for another host" "report it; check for a cache in front of the control plane";
    CredentialExpired "credential.expired" 83 ControlPlane true "the credential that came has already ended" "check the control plane's clock";
    CredentialOlder "credential.older" 84 ControlPlane true "the credential that came is older than the one held" "check for a cache or a replica with a wrong clock";
    CredentialShorter "credential.shorter-lived" 85 ControlPlane true "the credential that came ends before the one held" "nothing to do; it is taken once the held one is nearer its end";
    CredentialEmpty "credential.empty" 86 ControlPlane true "the answer holds no credential" "check the issuer behind the control plane";
    CredentialUnsupported "credential.unsupported" 87 Us false "the credential is of a kind this release does not know" "update pinnace, or change the kind in the policy";
    CredentialKeyNeeded "credential.key-needed" 88 ControlPlane false "the credential's kind needs a key made on this host" "set key = \"ed25519\" for the credential in the site and stamp again";
    CredentialWrongKey "credential.wrong-key" 89 ControlPlane true "the certificate that came is over another key" "report it; check for a cache in front of the control plane";
    DeliveryDirectory "delivery.directory-missing" 90 Host true "the directory to deliver into does not exist" "create it, or start the agent that does";
    DeliveryPermission "delivery.permission" 91 Host false "this user may not write there" "check owner, mode and the unit's sandboxing";
    DeliveryDiskFull "delivery.disk-full" 92 Host true "there is no room to deliver into" "free space or inodes; the credential in place is untouched";
    DeliveryReadOnly "delivery.read-only" 93 Host true "the file system to deliver into is read-only" "deliver to a writable place such as /run";
    DeliverySymlink "delivery.symlink" 94 Host false "the way to the delivery directory leads over a symbolic link" "name the real directory in the site";
    DeliveryIo "delivery.io" 95 Host true "the disk failed while delivering" "check the kernel's log; the credential in place is untouched";
    DeliverySocketAbsent "delivery.socket-absent" 96 Host true "nobody listens on the agent's socket" "start the agent";
    DeliverySocketPeer "delivery.socket-peer" 97 Host false "the agent's socket belongs to another user" "check peer_uid in the site and who listens";
    DeliveryNotAcknowledged "delivery.not-acknowledged" 98 Host true "the agent did not accept the credential" "check the agent's log";
    DeliveryExec "delivery.exec-failed" 99 Host true "the delivery program failed" "run it by hand with a credential on its standard input";
    DeliveryExecTimeout "delivery.exec-timeout" 100 Host true "the delivery program did not end in time" "it must end within the run's deadline";
    DeliveryStdout "delivery.stdout" 101 Host true "standard output cannot be written" "check what standard output is connected to";
    DeliveryFormat "delivery.format" 102 Host false "the credential does not fit the format" "choose a format that fits the credential's kind";
    DeliveryOwner "delivery.owner-unknown" 103 Host false "the owner named in the site does not exist here" "create the user or group, or use numbers";
    UpdateDenied "update.denied" 3 Host false "this host does not take this release" "it failed here or was rolled back; pinnace update status tells, a newer release mends it";
    UpdateSlow "update.slow" 4 Network true "the release does not arrive in time" "nothing to do; the next run goes on where this one ended";
    UpdateQuota "update.quota" 5 ControlPlane true "files that were not what was signed have used up the day's bytes" "look at what serves targets; tomorrow this host tries again";
    UpdateUnstaged "update.unstaged" 6 Host true "the release cannot be put on this host's disk" "check room and mode of the state directory; the release that runs is untouched";
    UpdateNotRelease "update.not-a-release" 7 ControlPlane false "the signed target is not a release of Pinnace" "make it with pinnacectl release build";
    UpdateRootInvalid "update.root-invalid" 36 Us false "the stamped root of trust cannot be used" "stamp the release again with the site's root";
    UpdateNothingBefore "update.nothing-before" 37 Host false "there is no release to go back to" "nothing to do; the package's own copy is running";
    UpdateNotMetadata "update.not-metadata" 112 Network true "what came is not release metadata" "something on the way answers in the control plane's place";
    UpdateMalformed "update.malformed" 113 ControlPlane true "the release metadata is out of form" "publish it anew with pinnacectl release";
    UpdateTooLarge "update.too-large" 114 ControlPlane true "the release metadata is larger than it may be" "something feeds this host endless data; look at what serves it";
    UpdateUnsigned "update.unsigned" 115 ControlPlane true "the release metadata is not signed by enough of its keys" "if no key was changed without a new root, somebody tries to slip hosts a release; look at once";
    UpdateWrongVersion "update.wrong-version" 116 ControlPlane true "the new root is not the next one" "publish every root in its order";
    UpdateRollback "update.rollback" 117 ControlPlane true "the release metadata is older than what this host has seen" "a mirror lags behind, or somebody replays old metadata; a fast-forwarded version is mended by new keys";
    UpdateExpired "update.expired" 118 ControlPlane true "the release metadata has ended" "check that pinnaced renews its timestamp, and that targets and root were renewed; credentials do not depend on it";
    UpdateMixed "update.mixed" 119 ControlPlane true "release metadata of different moments came together" "publish all of it at once; if it stays so, somebody mixes";
    UpdateMissing "update.missing" 120 ControlPlane true "release metadata or a release is not there" "publish it";
    UpdateNoSuchTarget "update.no-such-target" 121 ControlPlane true "nobody has signed the release this host was told to take" "the control plane can only choose among signed releases; look at once";
    UpdateTooDeep "update.too-deep" 122 ControlPlane true "too many roots or delegations at once" "nothing to do for roots; the next run goes on from there";
    UpdateWrongFile "update.wrong-file" 123 ControlPlane true "the file is not the one that was signed" "the mirror lies or is damaged; the file was thrown away";
    UpdateWrongPlatform "update.wrong-platform" 124 ControlPlane true "the release is for another platform" "the control plane can only choose among signed releases; look at once";
    UpdateBelowFloor "update.below-floor" 125 ControlPlane true "the release is below the lowest generation allowed" "assign a newer one";
    UpdatePulled "update.pulled" 38 Us false "the release this host ran or tried was pulled" "nothing to do; this host runs the one before, pinnacectl rollout explain says why";
    RescueSwapped "rescue.swapped-back" 39 Us true "the release failed twice where the one before it succeeds" "nothing to do; this host runs the one before and denies this one, report it with the log lines";
    TrialRehearsal "trial.rehearsal-failed" 44 Us true "the release could not rehearse its own update" "a release that cannot be replaced never goes live; report it with the log line";
    TrialCrashed "trial.crashed" 104 Us true "the release on trial was ended by a signal" "nothing to do; the one in charge did the job, report it with the log line";
    TrialHung "trial.hung" 105 Us true "the release on trial did not end in time" "nothing to do; the one in charge did the job";
    TrialNothing "trial.nothing-staged" 106 Us true "the release on trial left no credential" "nothing to do; the one in charge did the job";
    TrialUnstartable "trial.unstartable" 107 Host true "no release can be started from the state directory" "it may be mounted noexec, or processes are limited; the release in charge goes on";
    TrialUnfit "trial.unfit" 108 Us false "the release on trial fails here where the one in charge succeeds" "nothing to do; this host stays on its release and denies that one";
    TrialInterrupted "trial.interrupted" 109 Us false "too many runs died while a release was on trial" "this host stays on its release; see the kernel's log for what ended the runs";
    Deadline "run.deadline" 110 Host true "the run did not end within its deadline" "a file system or device stands still; see the kernel's log";
    Internal "run.internal" 111 Us true "pinnace failed in a way it does not know" "report it with the log line";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_exit_statuses_are_unique_and_found() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert_eq!(Reason::from_exit(reason.exit()), Some(*reason));
            assert!(reason.exit() < 126, "126 and above belong to shells");
            assert!(!reason.hint().is_empty() && !reason.summary().is_empty());
        }
    }
}
