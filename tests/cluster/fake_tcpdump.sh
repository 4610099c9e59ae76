#!/bin/sh
# Behaves like tcpdump towards the capture script: -d, -w, SIGUSR1 and SIGTERM. What it does
# besides is the word in the file `behaviour` beside it: quiet, flood, die or refuse.
behaviour=$(cat "${0%/*}/behaviour")
file='' check='' filter='' ring=''
while [ $# -gt 0 ]; do
    case $1 in
    -d) check=1 ;;
    -w) file=$2; shift ;;
    -W) ring=0; shift ;;
    -i | -s | -Z | -B | -C) shift ;;
    --) filter=$2; shift ;;
    esac
    shift
done
if [ -n "$check" ]; then
    [ "$behaviour" != refuse ] || { echo "tcpdump: can't parse filter expression: syntax error" >&2; exit 1; }
    exit 0
fi
[ -z "$ring" ] || file=${file}0
printf '\324\303\262\241\002\000\004\000\000\000\000\000\000\000\000\000\000\001\000\000\024\001\000\000' >"$file"
printf '%s' "$filter" >"seen.$file"
trap 'echo "tcpdump: 3 packets captured, 4 packets received by filter, 1 packet dropped by kernel" >&2' USR1
trap 'printf "3 packets captured\n4 packets received by filter\n1 packet dropped by kernel\n" >&2; exit 0' TERM
echo "tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 256 bytes" >&2
turns=0
while :; do
    sleep 0.1
    turns=$((turns + 1))
    case $behaviour in
    flood) [ "$file" != calls.pcap ] || head -c 400000 /dev/zero >>"$file" ;;
    die) [ "$turns" -lt 5 ] || kill -KILL $$ ;;
    esac
done
