"""Give the programs that the binary starts the environment that its user gave it.

PyInstaller's bootloader points LD_LIBRARY_PATH at the unpacked libraries and keeps the user's value
in LD_LIBRARY_PATH_ORIG. Credential helpers named in a kubeconfig (aws, gke-gcloud-auth-plugin)
would load our OpenSSL instead of theirs, and fail.
"""

import os

before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if before is not None:
    os.environ["LD_LIBRARY_PATH"] = before
