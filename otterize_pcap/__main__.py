"""`python -m otterize_pcap` is `otterize`."""

try:
    from otterize_pcap.cli import main
except KeyboardInterrupt:
    # Before anything of ours could hear it.
    import os

    os._exit(130)

if __name__ == "__main__":
    main()
