#!/usr/bin/env bash
# Installs the peers that `make bench` measures Kiln beside, and only those that are missing. Where
# they cannot be installed it says so and goes on: their figures are then reported as missing.
set -euo pipefail

# What must be found, and the package that brings it.
peers=(
    "dockerd docker.io"
    "docker docker.io"
    "nginx nginx-light"
    "haproxy haproxy"
    "wrk wrk"
    "unshare util-linux"
    "taskset util-linux"
)
PATH="$PATH:/usr/sbin:/sbin"

missing=()
for peer in "${peers[@]}"; do
    read -r program package <<< "$peer"
    command -v "$program" > /dev/null || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "warning: without ${missing[*]} some peers are not measured: apt-get install ${missing[*]}" >&2
    exit 0
fi
echo "Installing ${missing[*]}."
# A package's service must not start: it would listen where others do.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; }; then
    echo "warning: ${missing[*]} cannot be installed; what they bring is reported as missing" >&2
fi
