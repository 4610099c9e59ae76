"""`python -m otterize_pcap` is `otterize`."""

from otterize_pcap.cli import main

main()
