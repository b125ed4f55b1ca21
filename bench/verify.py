"""What one verification of a repository costs python-tuf's client, in process.

usage: verify.py FOLDER TARGET    each line that comes is a number of verifications; each that goes, the microseconds of CPU one took
"""

import sys, time
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

FOLDER, TARGET = sys.argv[1:]
root, timestamp, snapshot, targets = (
    open(f"{FOLDER}/{name}.json", "rb").read() for name in ("1.root", "timestamp", "1.snapshot", "1.targets")
)


def verify():
    trusted = TrustedMetadataSet(root, EnvelopeType.METADATA)
    trusted.update_timestamp(timestamp)
    trusted.update_snapshot(snapshot)
    trusted.update_targets(targets)
    assert TARGET in trusted.targets.targets


for line in sys.stdin:
    count = int(line)
    before = time.process_time_ns()
    for _ in range(count):
        verify()
    print((time.process_time_ns() - before) / 1e3 / count, flush=True)
