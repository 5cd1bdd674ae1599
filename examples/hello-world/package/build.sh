#!/bin/sh
# Builds hello-world as a Debian package: build.sh [DIRECTORY]. Needs dpkg-deb and nothing else.
# The same sources make the same package, byte for byte.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
directory=${1:-$here/../dist}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

chmod 755 "$root"
mkdir -p "$root/DEBIAN" "$root/usr/share/hello-world" "$root/lib/systemd/system" "$directory"
install -m 644 "$here/control" "$root/DEBIAN/control"
install -m 755 "$here/postinst" "$root/DEBIAN/postinst"
install -m 644 "$here/hello-world.service" "$root/lib/systemd/system/hello-world.service"
install -m 644 "$here/../app/settings.py" "$here/../app/web.py" "$root/usr/share/hello-world/"

version=$(sed -n 's/^Version: //p' "$here/control")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-946684800}
export SOURCE_DATE_EPOCH
dpkg-deb --root-owner-group --build "$root" "$directory/hello-world_${version}_all.deb"
