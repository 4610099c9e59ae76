"""`python -m otterize_pcap` is `otterize`."""

from otterize_pcap.cli import main

if __name__ == "__main__":
    main()
