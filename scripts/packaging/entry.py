"""What the binary runs."""

from otterize_pcap.cli import main

main()
