#!/usr/bin/env bash
# Installs the Debian packages that building, testing and running Kiln need, and only those that are
# missing. Does nothing, and needs neither root nor a network, when all are there.
set -euo pipefail

# What must be found, and the package that brings it.
needs=(
    "cc gcc"
    "pkg-config pkg-config"
    "make make"
    "git git"
    "curl curl"
    "nft nftables"
    "ip iproute2"
    "mmdebstrap mmdebstrap"
    "busybox busybox-static"
    "openssl openssl"
    "python3 python3"
    "sqlite3 sqlite3"
    "script bsdutils"
    "systemd-analyze systemd"
    "setpriv util-linux"
    "skopeo skopeo"
    "umoci umoci"
    "dockerd docker.io"
    "docker docker.io"
    "prometheus prometheus"
)

# The system's own programs are not in everybody's path.
PATH="$PATH:/usr/sbin:/sbin"

missing=()
for need in "${needs[@]}"; do
    read -r program package <<< "$need"
    command -v "$program" > /dev/null || missing+=("$package")
done
# The program inside instances is linked statically.
compgen -G "/usr/lib/*/libc.a" > /dev/null || missing+=(libc6-dev)

if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "error: ${missing[*]} must be installed, by root: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]}."
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
