"""`otterize capture` as a process of its own, for tests that send it signals."""

import sys

from otterize_pcap.cli import app, main
from otterize_pcap.cluster.capture import follow, reducing
from otterize_pcap.errors import OtterizeError
from tests.cluster.fake_cluster import tiny_app


def run() -> int:
    """The command's own `run`, with the part of it that these tests need."""
    sys.stderr.write("started\n")
    sys.stderr.flush()
    try:
        tiny_app()()
    except OtterizeError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


if __name__ == "__main__":
    follow.POLL_S = 0.05
    reducing.PERIOD_S = 0.5
    app.run = run
    main()
