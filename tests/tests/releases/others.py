"""Root and targets made by python-tuf, for a control plane to vouch for.

usage: others.py root FOLDER ONLINE-KEY        a root that names the control plane's key in hexadecimal
       others.py targets FOLDER FILE           FILE as generation 1
"""

import hashlib, os, sys
from datetime import datetime, timedelta, timezone
from cryptography.hazmat.primitives import serialization
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

WHAT, FOLDER, WITH = sys.argv[1:]
LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
RELEASE = {"generation": 1, "channel": "stable", "minimum_generation": 0, "platform": "x86_64-linux", "version": "1.0"}


def signer(role):
    """A P-256 key that the two commands share."""
    path = f"{FOLDER}/{role}.pem"
    if not os.path.exists(path):
        open(path, "wb").write(CryptoSigner.generate_ecdsa().private_bytes)
    return CryptoSigner(serialization.load_pem_private_key(open(path, "rb").read(), None))


def write(name, content):
    path = f"{FOLDER}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path + ".new", "wb").write(content)
    os.rename(path + ".new", path)


def signed(value, role):
    metadata = Metadata(value)
    metadata.sign(signer(role))
    return metadata.to_bytes()


os.makedirs(FOLDER, exist_ok=True)
if WHAT == "root":
    root = Root(expires=LATER, consistent_snapshot=True)
    key = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": WITH}}
    online = SSlibKey(hashlib.sha256(encode_canonical(key).encode()).hexdigest(), "ed25519", "ed25519", key["keyval"])
    for role in ("root", "targets"):
        root.add_key(signer(role).public_key, role)
    for role in ("snapshot", "timestamp"):
        root.add_key(online, role)
    write("metadata/1.root.json", signed(root, "root"))
else:
    content = open(WITH, "rb").read()
    file = TargetFile.from_data("builds/pinnace", content, ["sha256"])
    file.unrecognized_fields["custom"] = {"pinnace": RELEASE}
    write(f"targets/builds/{file.hashes['sha256']}.pinnace", content)
    write("metadata/1.targets.json", signed(Targets(expires=LATER, targets={"builds/pinnace": file}), "targets"))
