#!/usr/bin/env python3
"""The API from Python, by the command line; nothing but the standard library.

    API=https://acme.highq.com/acme/api python3 sites.py

Ends with hq-token's exit code when there is no token (4: a person must log in; 75: later), and with its
codes when the call fails: 22 for an error of the API, 75 for the network.
"""
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would send the token along to wherever a redirect leads."""

    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)


def hq_token(*args, **options):
    """What hq-token prints; what it has to complain of goes to standard error by itself."""
    done = subprocess.run(["hq-token", *args], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout.strip()


def call(url):
    """One call; once more with a new token if the API refuses the first, before its time."""
    token = hq_token("get")
    for is_last in (False, True):
        headers = {"Authorization": "Bearer " + token, "Accept": "application/json"}
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if is_last or error.code not in (401, 403):
                raise
        # By standard input: a command line can be read by everyone.
        token = hq_token("get", "--rejected", "-", input=token)


api = os.environ.get("API", "").rstrip("/")
if not api:
    sys.exit("set API to the address of the API, such as https://acme.highq.com/acme/api")
try:
    for site in call(api + "/1/sites")["site"]:
        print(site["id"], site["sitename"], sep="\t")
except OSError as error:  # of which urllib's errors are
    print(f"{api}: {error}", file=sys.stderr)
    sys.exit(22 if isinstance(error, urllib.error.HTTPError) else 75)
