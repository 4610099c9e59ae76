#!/usr/bin/env bash
# Make dist/otterize-portable of dist/otterize: one file that needs a shell, tail, head, mkdir and
# chmod, and no C library: it brings the loader and the libraries that the binary was built with.
# For images with musl, such as Alpine's, and with none.
#
# usage: portable.sh BINARY ROOT TARGET, ROOT being where /lib64/ld-linux-x86-64.so.2 is
set -euo pipefail

binary=$1 root=$2 target=$3
names=(ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1)
files=("$binary")
for name in "${names[@]}"; do
    found=$(find -L "$root/lib/x86_64-linux-gnu" "$root/lib64" -name "$name" 2>/dev/null | head -n 1)
    [ -n "$found" ] || { echo "portable: no $name in $root" >&2; exit 1; }
    files+=("$found")
done

# The head has a fixed length, so that it can say where each file begins.
readonly HEAD=2048
at=$HEAD
unpack=''
for number in "${!files[@]}"; do
    file=$(readlink -f "${files[$number]}")
    name=otterize
    [ "$number" = 0 ] || name=${names[$((number - 1))]}
    size=$(stat -c %s "$file")
    unpack+="take $name $at $size"$'\n'
    at=$((at + size))
done
head=$(cat <<HEAD_END
#!/bin/sh
# otterize with the C library that it was built for. Unpacked below TMPDIR, at the first run.
set -eu
umask 077
place=\${TMPDIR:-/tmp}/otterize-portable-$(sha256sum <"$binary" | cut -c 1-16)
take() {
    tail -c +\$((\$2 + 1)) "\$0" | head -c "\$3" >"\$new/\$1"
}
if [ ! -e "\$place/whole" ]; then
    new=\$place.\$\$
    mkdir "\$new"
$unpack
    chmod 700 "\$new/otterize" "\$new/ld-linux-x86-64.so.2"
    : >"\$new/whole"
    mv "\$new" "\$place" 2>/dev/null || [ -e "\$place/whole" ]
fi
LD_LIBRARY_PATH=\$place exec "\$place/ld-linux-x86-64.so.2" "\$place/otterize" "\$@"
HEAD_END
)
[ "${#head}" -lt "$HEAD" ] || { echo "portable: the head is ${#head} bytes long" >&2; exit 1; }
{
    printf '%s\n' "$head"
    # `exec` was the last word that a shell reads.
    head -c $((HEAD - ${#head} - 1)) /dev/zero | tr '\0' '\n'
    for file in "${files[@]}"; do
        cat "$file"
    done
} >"$target"
chmod 755 "$target"
