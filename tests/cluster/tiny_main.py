"""`otterize capture` as a process of its own, for tests that send it signals."""

import sys

from conftest import tiny_app

from otterize_pcap.cluster import follow
from otterize_pcap.errors import OtterizeError

if __name__ == "__main__":
    follow.POLL_S = 0.05
    try:
        tiny_app()()
    except OtterizeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
