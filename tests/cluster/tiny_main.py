"""`otterize capture` as a process of its own, for tests that send it signals."""

import sys

from otterize_pcap.cluster.capture import follow
from otterize_pcap.errors import OtterizeError
from tests.cluster.fake_cluster import tiny_app

if __name__ == "__main__":
    follow.POLL_S = 0.05
    try:
        tiny_app()()
    except OtterizeError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
