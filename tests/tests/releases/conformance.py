"""Repositories made by python-tuf, and the client over core/trust held against each: what it must take and what it must refuse.

usage: conformance.py CLIENT        runs every case; prints one line for each and fails if one does
"""

import copy, http.server, json, os, subprocess, sys, tempfile, threading, urllib.parse
from datetime import datetime, timedelta, timezone
from securesystemslib.signer import CryptoSigner, SSlibKey
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import (
    DelegatedRole, Delegations, Key, Metadata, MetaFile, Root, Snapshot, SuccinctRoles, TargetFile, Targets, Timestamp,
)

CLIENT = sys.argv[1]
LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
PAST = LATER - timedelta(days=31)
TOP = ("root", "timestamp", "snapshot", "targets")


class Repository:
    """Metadata as values, signed and written out by `publish`; what is served is a dictionary of paths."""

    def __init__(self, make=CryptoSigner.generate_ed25519, hashes=False):
        self.hashes, self.files, self.asked, self.slow = hashes, {}, [], None
        self.signers = {role: [make()] for role in TOP}
        self.root = Root(expires=LATER, consistent_snapshot=True)
        for role in TOP:
            self.root.add_key(self.signers[role][0].public_key, role)
        self.timestamp, self.snapshot = Timestamp(expires=LATER), Snapshot(expires=LATER)
        self.roles = {"targets": Targets(expires=LATER)}
        self.publish_root()
        self.publish()

    def signed(self, value, role, signers=None):
        metadata = Metadata(value)
        for signer in signers or self.signers[role]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def publish_root(self, also=()):
        self.files[f"{self.root.version}.root.json"] = self.signed(self.root, "root", [*self.signers["root"], *also])

    def next_root(self, also=()):
        self.root.version += 1
        self.publish_root(also)

    def rotate(self, role, make=CryptoSigner.generate_ed25519):
        for signer in self.signers[role]:
            self.root.revoke_key(signer.public_key.keyid, role)
        self.signers[role] = [make()]
        self.root.add_key(self.signers[role][0].public_key, role)

    def describe(self, name, version):
        if not self.hashes:
            return MetaFile(version)
        return MetaFile.from_data(version, self.files[name], ["sha256"])

    def publish(self, *bumped):
        """Writes targets, snapshot and timestamp; each role named is a version on."""
        for role, targets in self.roles.items():
            targets.version += role in bumped
            name = f"{targets.version}.{urllib.parse.quote(role, '')}.json"
            self.files[name] = self.signed(targets, role)
            self.snapshot.meta[f"{role}.json"] = self.describe(name, targets.version)
        self.publish_snapshot("snapshot" in bumped, "timestamp" in bumped)

    def publish_snapshot(self, bump_snapshot, bump_timestamp):
        self.snapshot.version += bump_snapshot
        name = f"{self.snapshot.version}.snapshot.json"
        self.files[name] = self.signed(self.snapshot, "snapshot")
        self.timestamp.snapshot_meta = self.describe(name, self.snapshot.version)
        self.timestamp.version += bump_timestamp
        self.files["timestamp.json"] = self.signed(self.timestamp, "timestamp")

    def all(self):
        self.publish("targets", "snapshot", "timestamp")

    def add(self, path, content, role="targets"):
        file = TargetFile.from_data(path, content, ["sha256"])
        self.roles[role].targets[path] = file
        folder, _, base = path.rpartition("/")
        self.files["targets/" + (folder + "/" if folder else "") + file.hashes["sha256"] + "." + base] = content

    def delegate(self, parent, name, paths=None, terminating=False, prefixes=None, signer=None):
        signer = signer or CryptoSigner.generate_ed25519()
        self.signers[name] = [signer]
        self.roles.setdefault(name, Targets(expires=LATER))
        targets = self.roles[parent]
        if targets.delegations is None:
            targets.delegations = Delegations({}, {})
        targets.delegations.roles[name] = DelegatedRole(name, [], 1, terminating, paths, prefixes)
        targets.add_key(signer.public_key, name)


class Host:
    """A client's folders, and the server it is pointed at."""

    def __init__(self, repository, anchor=None):
        self.folder = tempfile.mkdtemp()
        self.metadata, self.targets = self.folder + "/metadata", self.folder + "/targets"
        self.repository = repository
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        with open(self.folder + "/anchor.json", "wb") as file:
            file.write(anchor or repository.files["1.root.json"])
        self.initialised = self.run("init", self.folder + "/anchor.json")

    def handler(self):
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                # What a client quoted stays quoted in metadata names, as the files of a repository are named.
                name = self.path.lstrip("/")
                host.repository.asked.append(name)
                body = host.repository.files.get(name)
                body = host.repository.files.get(urllib.parse.unquote(name)) if body is None else body
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                try:
                    self.wfile.write(body or b"")
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        return Handler

    def run(self, *words, shift=0):
        command = [CLIENT, "--metadata-dir", self.metadata, *words]
        environment = {**os.environ, **({"FAKETIME": f"{shift:+d}"} if shift else {})}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=20)
        self.said = done.stderr
        return done.returncode

    def refresh(self, shift=0):
        return self.run("--metadata-url", self.url, "refresh", shift=shift)

    def download(self, *names, shift=0):
        wanted = [word for name in names for word in ("--target-name", name)]
        where = ["--metadata-url", self.url, "--target-base-url", self.url + "/targets", "--target-dir", self.targets]
        return self.run(*where, *wanted, "download", shift=shift)

    def version(self, role):
        try:
            with open(f"{self.metadata}/{role}.json", "rb") as file:
                return json.load(file)["signed"]["version"]
        except FileNotFoundError:
            return None

    def versions(self):
        return tuple(self.version(role) for role in TOP)

    def got(self):
        names = sorted(os.listdir(self.targets)) if os.path.isdir(self.targets) else []
        return [open(f"{self.targets}/{name}", "rb").read() for name in names]

    def refuses(self, words, act=None):
        assert (act or self.refresh)() == 1, "it was taken"
        assert words in self.said, self.said


def tampered(data, change):
    value = json.loads(data)
    change(value)
    return json.dumps(value).encode()


CASES = []


def case(function):
    CASES.append(function)
    return function


for scheme, make in (("ed25519", CryptoSigner.generate_ed25519), ("ecdsa", CryptoSigner.generate_ecdsa), ("rsa", CryptoSigner.generate_rsa)):
    def every_role_by(make=make):
        repository = Repository(make)
        repository.add("a/b.bin", b"content")
        repository.all()
        host = Host(repository)
        assert host.initialised == 0 and host.refresh() == 0, host.said
        assert host.versions() == (1, 2, 2, 2)
        assert host.download("a/b.bin") == 0 and host.got() == [b"content"], host.said
        for role in TOP:
            name = {"root": "1.root", "timestamp": "timestamp"}.get(role, f"2.{role}")
            assert open(f"{host.metadata}/{role}.json", "rb").read() == repository.files[name + ".json"], "the bytes as they came"
    every_role_by.__name__ = f"every_role_signed_by_{scheme}"
    case(every_role_by)


@case
def nothing_is_asked_for_that_is_not_needed():
    repository = Repository()
    host = Host(repository)
    assert host.refresh() == 0 and repository.asked == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    repository.asked.clear()
    assert host.refresh() == 0 and repository.asked == ["2.root.json", "timestamp.json"]


@case
def a_root_without_enough_signatures_is_no_anchor():
    repository = Repository()
    unsigned = tampered(repository.files["1.root.json"], lambda root: root["signatures"][0].update(sig="00" * 64))
    host = Host(repository, unsigned)
    assert host.initialised == 1 and host.refresh() == 1 and repository.asked == []


@case
def fields_nobody_knows_are_signed_too():
    repository = Repository()
    host = Host(repository)
    repository.root.unrecognized_fields["x-later"] = {"b": [1, None, True], "a": "\"\\é\n"}
    repository.next_root()
    assert host.refresh() == 0 and host.version("root") == 2, host.said
    repository.files["timestamp.json"] = tampered(repository.files["timestamp.json"], lambda file: file["signed"].update(x=1))
    host.refuses("not signed by enough")


@case
def an_unsigned_field_is_not_read():
    repository = Repository()
    host = Host(repository)
    repository.files["timestamp.json"] = tampered(repository.files["timestamp.json"], lambda file: file.update(version=99, meta={"snapshot.json": {"version": 99}}))
    assert host.refresh() == 0 and host.versions() == (1, 1, 1, 1), host.said


@case
def a_rotated_root_is_followed_through_every_version():
    repository = Repository()
    host = Host(repository)
    for _ in range(5):
        old = repository.signers["root"][0]
        repository.rotate("root", CryptoSigner.generate_ecdsa)
        repository.next_root(also=[old])
    assert host.refresh() == 0 and host.version("root") == 6, host.said


@case
def a_new_root_needs_the_old_keys_and_the_new():
    for also, signers in ((False, "new"), (True, "old")):
        repository = Repository()
        host = Host(repository)
        old = repository.signers["root"][0]
        repository.rotate("root")
        repository.root.version = 2
        signer = repository.signers["root"][0] if signers == "new" else old
        repository.files["2.root.json"] = repository.signed(repository.root, "root", [signer])
        host.refuses("root is not signed by enough")
        assert host.version("root") == 1


@case
def roots_are_not_skipped():
    repository = Repository()
    host = Host(repository)
    repository.root.version = 3
    repository.files["2.root.json"] = repository.signed(repository.root, "root")
    host.refuses("root is not the version asked for")
    assert host.version("root") == 1


@case
def an_expired_root_is_kept_and_ends_the_walk():
    repository = Repository()
    host = Host(repository)
    assert host.refresh() == 0
    repository.root.expires = PAST
    repository.next_root()
    repository.all()
    host.refuses("root has ended")
    assert host.versions() == (2, 1, 1, 1)
    # An expired root in between is no obstacle.
    repository.root.expires = LATER
    repository.next_root()
    assert host.refresh() == 0 and host.version("root") == 3


@case
def a_threshold_is_met_by_different_keys_only():
    repository = Repository()
    host = Host(repository)
    same = repository.signers["snapshot"][0]
    for number in range(4):
        twin = Key.from_dict(f"{number:064x}", copy.deepcopy(same.public_key.to_dict()))
        repository.root.add_key(twin, "snapshot")
    repository.root.roles["snapshot"].threshold = 3
    repository.next_root()
    repository.all()
    metadata = json.loads(repository.files[f"{repository.snapshot.version}.snapshot.json"])
    one = metadata["signatures"][0]["sig"]
    metadata["signatures"] += [{"keyid": f"{number:064x}", "sig": one} for number in range(4)]
    repository.files[f"{repository.snapshot.version}.snapshot.json"] = json.dumps(metadata).encode()
    host.refuses("snapshot is not signed by enough")


@case
def one_key_under_one_name_twice_is_malformed():
    repository = Repository()
    host = Host(repository)
    repository.files["timestamp.json"] = tampered(repository.files["timestamp.json"], lambda file: file["signatures"].append(file["signatures"][0]))
    host.refuses("timestamp is malformed")


@case
def a_threshold_of_keys_must_sign_each_role():
    for role in ("timestamp", "snapshot", "targets"):
        repository = Repository()
        host = Host(repository)
        repository.signers[role].append(CryptoSigner.generate_ed25519())
        repository.root.add_key(repository.signers[role][1].public_key, role)
        repository.root.roles[role].threshold = 2
        repository.next_root()
        repository.all()
        assert host.refresh() == 0, host.said
        repository.signers[role].pop()
        repository.all()
        host.refuses(f"{role} is not signed by enough")


@case
def a_signature_that_is_empty_or_of_another_key_counts_for_nothing():
    repository = Repository()
    other = CryptoSigner.generate_ed25519()
    repository.signers["timestamp"].insert(0, other)
    repository.all()
    file = json.loads(repository.files["timestamp.json"])
    file["signatures"].insert(0, {"keyid": "ab" * 32, "sig": ""})
    repository.files["timestamp.json"] = json.dumps(file).encode()
    host = Host(repository)
    assert host.refresh() == 0, host.said
    repository.signers["timestamp"] = [other]
    repository.all()
    host.refuses("timestamp is not signed by enough")


@case
def a_key_of_an_unknown_kind_is_no_obstacle_and_no_signer():
    repository = Repository()
    host = Host(repository)
    strange = SSlibKey("cd" * 32, "ml-dsa-65", "ml-dsa-65", {"public": "00"})
    repository.root.add_key(strange, "timestamp")
    repository.next_root()
    assert host.refresh() == 0 and host.version("root") == 2, host.said


@case
def rollback_of_the_timestamp():
    repository = Repository()
    host = Host(repository)
    old = repository.files["timestamp.json"]
    repository.all()
    assert host.refresh() == 0
    repository.files["timestamp.json"] = old
    host.refuses("timestamp is older")
    assert host.versions() == (1, 2, 2, 2)


@case
def the_same_timestamp_version_with_other_content_changes_nothing():
    repository = Repository()
    host = Host(repository)
    assert host.refresh() == 0
    held = open(host.metadata + "/timestamp.json", "rb").read()
    repository.timestamp.snapshot_meta.version = 100
    repository.files["timestamp.json"] = repository.signed(repository.timestamp, "timestamp")
    assert host.refresh() == 0 and open(host.metadata + "/timestamp.json", "rb").read() == held


for hashes in (False, True):
    def rollback_of_the_snapshot(hashes=hashes):
        repository = Repository(hashes=hashes)
        repository.publish("snapshot", "timestamp")
        host = Host(repository)
        assert host.refresh() == 0, host.said
        repository.snapshot.version = 1
        repository.publish_snapshot(False, True)
        host.refuses("timestamp is older")
        assert host.versions() == (1, 2, 2, 1)

    def rollback_of_targets(hashes=hashes):
        repository = Repository(hashes=hashes)
        repository.all()
        host = Host(repository)
        assert host.refresh() == 0, host.said
        repository.roles["targets"].version = 1
        repository.publish("snapshot", "timestamp")
        host.refuses("snapshot is older")
        assert host.version("snapshot") == 2 and host.version("targets") == 2

    for function in (rollback_of_the_snapshot, rollback_of_targets):
        function.__name__ += "_with_hashes" if hashes else ""
        case(function)


@case
def a_targets_file_that_left_the_snapshot_is_a_rollback():
    repository = Repository()
    repository.delegate("targets", "team", ["team/*"])
    repository.all()
    host = Host(repository)
    assert host.refresh() == 0
    del repository.roles["team"]
    del repository.snapshot.meta["team.json"]
    repository.publish("snapshot", "timestamp")
    host.refuses("snapshot is older")


@case
def fast_forward_is_mended_by_new_keys():
    for role in ("timestamp", "snapshot"):
        repository = Repository()
        host = Host(repository)
        repository.timestamp.version = 99_998
        repository.snapshot.version = 99_998
        repository.publish("snapshot", "timestamp")
        assert host.refresh() == 0 and host.version(role) == 99_999
        repository.rotate("timestamp")
        repository.rotate("snapshot")
        repository.next_root()
        repository.timestamp.version = repository.snapshot.version = 1
        repository.publish()
        assert host.refresh() == 0 and host.version(role) == 1, host.said


@case
def fast_forwarded_targets_are_mended_by_a_new_snapshot_key():
    repository = Repository()
    host = Host(repository)
    repository.roles["targets"].version = 99_999
    repository.publish("snapshot", "timestamp")
    assert host.refresh() == 0 and host.version("targets") == 99_999
    repository.rotate("snapshot")
    repository.next_root()
    repository.roles["targets"].version = 2
    repository.publish("snapshot", "timestamp")
    assert host.refresh() == 0 and host.version("targets") == 2, host.said


@case
def freeze_is_seen_in_each_role():
    for role in ("timestamp", "snapshot", "targets"):
        repository = Repository()
        host = Host(repository)
        assert host.refresh() == 0
        value = {"timestamp": repository.timestamp, "snapshot": repository.snapshot, "targets": repository.roles["targets"]}[role]
        value.expires = PAST
        repository.all()
        host.refuses(f"{role} has ended")
        assert host.version(role) == 1


@case
def what_ended_on_disk_still_guards_against_rollback():
    repository = Repository()
    repository.timestamp.expires = LATER - timedelta(days=23)
    repository.publish("timestamp")
    host = Host(repository)
    assert host.refresh() == 0
    old = repository.files["timestamp.json"]
    repository.timestamp.expires = LATER
    repository.all()
    assert host.refresh(shift=18 * 86_400) == 0 and host.version("timestamp") == 3, host.said
    repository.files["timestamp.json"] = old
    host.refuses("timestamp is older", lambda: host.refresh(shift=18 * 86_400))


@case
def a_clock_that_steps_back_is_no_error():
    repository = Repository()
    host = Host(repository)
    assert host.refresh() == 0 and host.refresh(shift=-86_400) == 0 and host.refresh(shift=-400_000_000) == 0, host.said


@case
def mix_and_match():
    repository = Repository()
    host = Host(repository)
    assert host.refresh() == 0
    first = repository.files["1.snapshot.json"]
    repository.all()
    repository.files["2.snapshot.json"] = first
    host.refuses("snapshot is not what the metadata above it names")
    repository = Repository()
    host = Host(repository)
    repository.files["1.targets.json"] = repository.signed(Targets(version=2, expires=LATER), "targets")
    host.refuses("targets is not what the metadata above it names")
    assert host.version("targets") is None and host.version("snapshot") == 1


@case
def hashes_and_lengths_of_metadata_hold():
    repository = Repository(hashes=True)
    host = Host(repository)
    repository.files["1.targets.json"] = repository.files["1.targets.json"].replace(b'"signatures"', b' "signatures"', 1)[:-1].rstrip() + b"}"
    assert host.refresh() == 1 and ("not what the metadata" in host.said or "larger" in host.said), host.said
    repository.all()
    assert host.refresh() == 0, host.said


@case
def endless_data():
    repository = Repository()
    host = Host(repository)
    repository.files["timestamp.json"] = repository.files["timestamp.json"] + b" " * 20_000
    host.refuses("larger than it may be")
    repository = Repository()
    repository.add("x", b"content")
    repository.all()
    host = Host(repository)
    for name in list(repository.files):
        if name.startswith("targets/"):
            repository.files[name] = b"content" + b"x" * 1_000_000
    host.refuses("larger than it may be", lambda: host.download("x"))
    assert host.got() == []


@case
def a_page_in_place_of_metadata():
    repository = Repository()
    host = Host(repository)
    for name in ("2.root.json", "timestamp.json"):
        held = repository.files.get(name)
        repository.files[name] = b"<html><body>Please log in</body></html>"
        host.refuses("is not metadata")
        repository.files.pop(name) if held is None else repository.files.update({name: held})
    assert host.refresh() == 0


@case
def arbitrary_package():
    repository = Repository()
    repository.add("tool", b"the tool")
    repository.add("other", b"other")
    repository.all()
    host = Host(repository)
    assert host.download("tool") == 0
    for name in list(repository.files):
        if name.startswith("targets/"):
            repository.files[name] = b"evil..!!"[: len(repository.files[name])]
    assert host.download("tool") == 0, "what is there and right is not fetched again"
    host.refuses("other is not the file that the metadata describes", lambda: host.download("other"))
    assert host.got() == [b"the tool"]


@case
def several_targets_at_once():
    repository = Repository()
    repository.add("one", b"1")
    repository.add("dir with space/two", b"2")
    repository.all()
    host = Host(repository)
    assert host.download("one", "dir with space/two") == 0 and sorted(host.got()) == [b"1", b"2"], host.said
    host.refuses("nobody is vouched for by no role", lambda: host.download("nobody"))


@case
def without_consistent_snapshots_names_are_bare():
    repository = Repository()
    repository.root.consistent_snapshot = False
    repository.publish_root()
    repository.files["targets/x"] = b"plain"
    repository.roles["targets"].targets["x"] = TargetFile.from_data("x", b"plain", ["sha512"])
    repository.all()
    for role in ("snapshot", "targets"):
        repository.files[f"{role}.json"] = repository.files[f"2.{role}.json"]
    host = Host(repository)
    assert host.download("x") == 0 and host.got() == [b"plain"], host.said


@case
def delegations_are_asked_in_order_and_once():
    graphs = (
        ([("targets", "A", False), ("targets", "B", False), ("A", "C", False), ("A", "D", False)], ["A", "C", "D", "B"]),
        ([("targets", "A", False), ("targets", "B", False), ("A", "C", True), ("A", "D", False)], ["A", "C"]),
        ([("targets", "A", False), ("targets", "B", False), ("B", "C", False), ("C", "D", False), ("D", "B", False)], ["A", "B", "C", "D"]),
        ([("targets", "A", False), ("targets", "B", False), ("B", "C", False), ("A", "C", False)], ["A", "C", "B"]),
    )
    for edges, expected in graphs:
        repository, keys = Repository(), {}
        for parent, name, terminating in edges:
            signer = keys.setdefault(name, CryptoSigner.generate_ed25519())
            repository.delegate(parent, name, ["*"], terminating, signer=signer)
        repository.all()
        host = Host(repository)
        host.refuses("vouched for by no role", lambda: host.download("missing"))
        roles = [name.split(".")[1] for name in repository.asked[4:]]
        assert roles == expected, roles


@case
def paths_decide_who_may_vouch():
    repository = Repository()
    repository.delegate("targets", "A", ["*.doc", "*.md"])
    repository.delegate("targets", "B", ["releases/*/*"])
    repository.delegate("B", "C", ["releases/x/*"])
    repository.delegate("B", "D", ["releases/y/*.zip"])
    for role, path in (("A", "README.md"), ("C", "releases/x/v1"), ("D", "releases/y/v1.zip"), ("D", "releases/z/v1.zip")):
        repository.add(path, path.encode(), role)
    repository.all()
    host = Host(repository)
    assert host.download("README.md") == 0 and host.download("releases/x/v1") == 0 and host.download("releases/y/v1.zip") == 0, host.said
    host.refuses("vouched for by no role", lambda: host.download("releases/z/v1.zip"))


@case
def hash_prefixes_and_succinct_bins():
    repository = Repository()
    signer = CryptoSigner.generate_ed25519()
    for bin in range(4):
        prefixes = [f"{digit:x}" for digit in range(bin * 4, bin * 4 + 4)]
        repository.delegate("targets", f"bin-{bin}", None, False, prefixes, signer)
    for number in range(12):
        path = f"file-{number}"
        role = next(name for name, role in repository.roles["targets"].delegations.roles.items() if role.is_delegated_path(path))
        repository.add(path, path.encode(), role)
    repository.all()
    host = Host(repository)
    assert host.download(*(f"file-{number}" for number in range(12))) == 0 and len(host.got()) == 12, host.said
    repository = Repository()
    bins = SuccinctRoles([], 1, 5, "b")
    repository.roles["targets"].delegations = Delegations({}, succinct_roles=bins)
    repository.roles["targets"].add_key(signer.public_key)
    for name in bins.get_roles():
        repository.signers[name] = [signer]
        repository.roles[name] = Targets(expires=LATER)
    for number in range(12):
        repository.add(f"file-{number}", b"%d" % number, bins.get_role_for_target(f"file-{number}"))
    repository.all()
    host = Host(repository)
    assert host.download(*(f"file-{number}" for number in range(12))) == 0, host.said


@case
def a_delegated_role_is_held_to_the_same_checks():
    def fresh():
        repository = Repository()
        repository.delegate("targets", "team", ["team/*"])
        repository.add("team/x", b"x", "team")
        repository.all()
        return repository, Host(repository)
    repository, host = fresh()
    assert host.download("team/x") == 0, host.said
    repository, host = fresh()
    repository.signers["team"] = [CryptoSigner.generate_ed25519()]
    repository.publish("team", "snapshot", "timestamp")
    host.refuses("team is not signed by enough", lambda: host.download("team/x"))
    repository, host = fresh()
    repository.roles["team"].expires = PAST
    repository.publish("team", "snapshot", "timestamp")
    host.refuses("team has ended", lambda: host.download("team/x"))
    assert host.refresh() == 0 and host.version("team") is None
    repository, host = fresh()
    repository.files["1.team.json"] = repository.signed(Targets(version=2, expires=LATER), "team")
    host.refuses("team is not what the metadata above it names", lambda: host.download("team/x"))


@case
def a_delegated_role_that_ended_on_disk_is_not_used_and_can_be_renewed():
    repository = Repository()
    repository.delegate("targets", "team", ["team/*"])
    repository.roles["team"].expires = LATER - timedelta(days=23)
    repository.add("team/1", b"1", "team")
    repository.add("team/2", b"2", "team")
    repository.all()
    host = Host(repository)
    assert host.download("team/1") == 0
    host.refuses("team has ended", lambda: host.download("team/2", shift=18 * 86_400))
    repository.roles["team"].expires = LATER
    repository.publish("team", "snapshot", "timestamp")
    assert host.download("team/2", shift=18 * 86_400) == 0, host.said


@case
def role_names_are_quoted_in_requests_and_on_disk():
    for name in ("?", "#", "/delegated", "../delegated", "a b"):
        repository = Repository()
        repository.delegate("targets", name, ["*"])
        repository.all()
        host = Host(repository)
        assert host.download("nothing") == 1
        assert f"1.{urllib.parse.quote(name, '')}.json" in repository.asked, repository.asked
        assert len([file for file in os.listdir(host.metadata) if file.endswith(".json")]) == 5
        assert os.listdir(host.folder).count("delegated.json") == 0


@case
def a_delegated_role_cannot_take_a_top_level_name():
    repository = Repository()
    repository.delegate("targets", "team", ["*"])
    repository.all()
    host = Host(repository)
    value = Metadata.from_bytes(repository.files["2.targets.json"]).signed.to_dict()
    value["delegations"]["roles"][0]["name"] = "root"
    signer = repository.signers["targets"][0]
    signature = signer.sign(encode_canonical(value).encode())
    repository.files["2.targets.json"] = json.dumps({"signed": value, "signatures": [{"keyid": signature.keyid, "sig": signature.signature}]}).encode()
    assert host.refresh() == 1 and "targets is malformed" in host.said, host.said


@case
def delegations_have_an_end():
    repository = Repository()
    parent = "targets"
    for number in range(40):
        repository.delegate(parent, f"r{number}", ["*"])
        parent = f"r{number}"
    repository.all()
    host = Host(repository)
    host.refuses("too many delegations", lambda: host.download("missing"))


failed = 0
for function in CASES:
    try:
        function()
        print("ok", function.__name__, flush=True)
    except Exception as error:
        failed += 1
        print("FAILED", function.__name__, type(error).__name__, error, flush=True)
        if os.environ.get("TRACE"):
            import traceback
            traceback.print_exc()
print(f"{len(CASES) - failed} cases hold, {failed} do not")
sys.exit(failed > 0)
