# Mounts a file system of FUSE that nobody serves, so that every call into it waits for good, and runs a program beside it.
# Usage, in a mount namespace of its own: python3 hanging.py FOLDER PROGRAM ...
import ctypes
import os
import subprocess
import sys

device = os.open('/dev/fuse', os.O_RDWR)
data = f'fd={device},rootmode=40000,user_id=0,group_id=0'.encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b'fuse', sys.argv[1].encode(), b'fuse', 0, data) != 0:
    sys.exit(f'mount: {os.strerror(ctypes.get_errno())}')
sys.exit(subprocess.call(sys.argv[2:]))
