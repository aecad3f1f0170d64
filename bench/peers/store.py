"""The token of the store of hq-token, without hq-token: what a few lines of Python cost."""

import sqlite3
import sys
import time

database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
token, end = database.execute("SELECT access_token, obtained_at + lifetime FROM token_set").fetchone()
if end <= time.time() + 60:
    sys.exit("expired")
print(token)
