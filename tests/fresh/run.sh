#!/usr/bin/env bash
# make fresh: the README's two commands on an empty Debian 12 machine, so that what this machine
# happens to have hides no missing install step. The machine is a root made by debootstrap with
# git and make alone: no Java, no Maven, no cache.
#
#   FRESH="demo test"   the targets to run, in this order
#   FRESH_ROOT=dir      where to make the root (it is deleted first, if it is one of ours)
#   FRESH_KEEP=1        leave the root afterwards
set -euo pipefail

checkout=$(cd "$(dirname "$0")/../.." && pwd)
root=${FRESH_ROOT:-/var/tmp/citypulse-fresh}
read -ra targets <<<"${FRESH:-demo test}"
# Together with these all ports stay below those that the kernel gives to outgoing connections.
offset=${PORT_OFFSET:-22000}
mark="$root.made-by-make-fresh" # beside the root: a deletion that was broken off must not lose it

say() { echo "fresh: $*"; }
die() {
  echo "fresh: $1" >&2
  exit 2
}

[ "$(id -u)" = 0 ] || die "this needs root, for debootstrap, mount and chroot: run it with sudo."
if ! command -v debootstrap >/dev/null; then
  say "installing debootstrap"
  if ! { apt-get update -qq && apt-get install -qq -y debootstrap >/dev/null; }; then
    die "debootstrap is missing: apt-get install debootstrap"
  fi
fi
[ ! -e "$root" ] || [ -e "$mark" ] || die "FRESH_ROOT=$root is there and was not made by this script: choose another."

in_root() {
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    PORT_OFFSET="$offset" PYTHONUNBUFFERED=1 ${PIP_CERT:+PIP_CERT=/etc/ssl/certs/ca-certificates.crt} \
    sh -c "$1"
}

unmount() {
  for mounted in dev/shm dev/pts dev proc sys .; do
    if mountpoint -q "$root/$mounted"; then
      umount -l "$root/$mounted"
    fi
  done
}

clean_up() {
  status=$?
  if [ -d "$root/root/citypulse/.citypulse" ]; then
    in_root "cd /root/citypulse && make down" >/dev/null 2>&1 || true
  fi
  unmount
  if [ "${FRESH_KEEP:-0}" != 1 ]; then
    rm -rf --one-file-system "$root"
    rm -f "$mark"
  fi
  exit "$status"
}

# One that was killed has left its mounts behind.
unmount
[ ! -e "$root" ] || rm -rf --one-file-system "$root"
mkdir -p "$root"
touch "$mark"
trap clean_up EXIT

say "making an empty Debian 12 in $root"
began=$SECONDS
debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$root" >"$root.log" 2>&1 || {
  tail -n 5 "$root.log"
  die "debootstrap failed; its output is in $root.log"
}
say "made in $((SECONDS - began)) s"

# A machine behind a proxy with a certificate authority of its own needs that one before anything else.
if compgen -G "/usr/local/share/ca-certificates/*.crt" >/dev/null; then
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >/dev/null
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
[ ! -e /etc/hosts ] || cp /etc/hosts "$root/etc/hosts"
# Java looks for the mount that a file is on: in a machine of its own the root is one.
mount --bind "$root" "$root"
for mounted in proc sys dev dev/pts dev/shm; do
  mkdir -p "$root/$mounted"
  mount --bind "/$mounted" "$root/$mounted"
done

git clone -q "file://$checkout" "$root/root/citypulse"
say "cloned $(git -C "$checkout" rev-parse --short HEAD)"
for target in "${targets[@]}"; do
  began=$SECONDS
  say "make $target"
  in_root "cd /root/citypulse && make $target"
  say "make $target: well, $((SECONDS - began)) s"
done
