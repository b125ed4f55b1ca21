"""One credential over mutual TLS with requests, into a file. Usage: requests_client.py URL CA IDENTITY OUT"""

import os
import sys

import requests

url, ca, identity, out = sys.argv[1:]
session = requests.Session()
session.trust_env = False
reply = session.get(url, verify=ca, cert=identity, timeout=10)
reply.raise_for_status()
with open(out + ".new", "w", encoding="ascii") as file:
    file.write(reply.json()["token"])
os.rename(out + ".new", out)
