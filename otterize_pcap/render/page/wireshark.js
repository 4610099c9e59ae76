// Evidence → lines to paste: where Wireshark and tcpdump show the packet.
"use strict";

/** A word for a POSIX shell. */
const quoted = (text) => (/^[\w./:@%+=-]+$/.test(text) && !text.startsWith("-") ? text : "'" + text.replaceAll("'", "'\\''") + "'");

const UNPACK = { ".gz": "gzip -dc", ".zst": "zstd -dc", ".xz": "xz -dc", ".bz2": "bzip2 -dc", ".lz4": "lz4 -dc" };
const DISPLAY = { TCP: "tcp.port", UDP: "udp.port", SCTP: "sctp.port" };

/** A file as an argument: one that begins with a dash would be an option. */
const fileWord = (file) => quoted(file.startsWith("-") ? "./" + file : file);

function reading(file) {
  const suffix = Object.keys(UNPACK).find((end) => file.toLowerCase().endsWith(end));
  return suffix ? `${UNPACK[suffix]} ${fileWord(file)} | tcpdump -r -` : `tcpdump -r ${fileWord(file)}`;
}

/** A table that a node made of its packets, which nobody has any more. */
const hasNoPackets = (file) => file.endsWith(".conntable");

/** `[what, line]` for each way to look at a use's packets. */
function packetLines({ protocol, port, evidence: { file, packet } }) {
  if (hasNoPackets(file)) return [];
  const lines = [
    ["Wireshark, at the packet", `wireshark -r ${fileWord(file)} -g ${packet}`],
    ["display filter, the packet", `frame.number == ${packet}`],
  ];
  if (Object.hasOwn(DISPLAY, protocol)) lines.push(["display filter, all of the port", `${DISPLAY[protocol]} == ${port}`]);
  lines.push(["tcpdump, the packet", `${reading(file)} -nn -# -c ${packet} | tail -n 1`]);
  if (Object.hasOwn(DISPLAY, protocol)) lines.push(["tcpdump, all of the port", `${reading(file)} -nn -# ${protocol.toLowerCase()} port ${port}`]);
  return lines;
}
