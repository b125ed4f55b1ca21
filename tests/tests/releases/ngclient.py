"""python-tuf's own client, against a control plane.

usage: ngclient.py BASE-URL CA IDENTITY ROOT FOLDER TARGET        prints the target's generation, and where its bytes are
"""

import os, ssl, sys, urllib.error, urllib.request
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

BASE, CA, IDENTITY, ROOT, FOLDER, TARGET = sys.argv[1:]


class Mutual(FetcherInterface):
    """GET over mutual TLS; a large file comes in pieces, each asked for by its range."""

    def __init__(self):
        self.context = ssl.create_default_context(cafile=CA)
        self.context.load_cert_chain(IDENTITY)
        # A client of the control plane brings no proxy of its environment's.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context))

    def _fetch(self, url):
        position, length = 0, None
        while length is None or position < length:
            asked = urllib.request.Request(url, headers={"Range": f"bytes={position}-{position + 200_000}"})
            try:
                with self.opener.open(asked, timeout=10) as answer:
                    piece, span = answer.read(), answer.headers.get("Content-Range")
            except urllib.error.HTTPError as error:
                raise DownloadHTTPError(str(error), error.code) from error
            position += len(piece)
            length = int(span.rpartition("/")[2]) if span else position
            yield piece


os.makedirs(FOLDER + "/metadata")
os.makedirs(FOLDER + "/targets")
updater = Updater(
    FOLDER + "/metadata", BASE + "/metadata/", FOLDER + "/targets", BASE + "/targets/", fetcher=Mutual(), bootstrap=open(ROOT, "rb").read()
)
updater.refresh()
target = updater.get_targetinfo(TARGET)
print(target.custom["pinnace"]["generation"], updater.download_target(target))
