#!/bin/sh
# scripts.sh FOLDER puts the pinned ClerkJS into a folder, through npm, unless it is
# there already. Several may do so at once. start.sh runs it beside the first build,
# scripts.go before ClerkJS is served.
set -eu

packages='clerk-js@6.40.0 ui@1.36.0'
# Their tarballs' hashes, as npm prints them.
hashes='sha512-2MnZ/ygvuCmeuqfXQmsxfQaLN/SSJvQbtT2cLXbgr5VKr3KmZFZBVvX977fG3eZ6pprl4J9pO+I2bbe6BvColg==
  sha512-uI96zYCh5jISLOt1mdpIPy/Y31P0kwFxjUFOxLUwFfTHFmGUcRjbqN6bbb+75tdI2Bz6ARGws3rhspDer+xIfQ=='

mkdir -p "$1/npm/@clerk"
cd "$1/npm/@clerk"
there() { # one that is there is complete: it came by a rename
  for package in $packages; do
    [ -d "$package" ] || return 1
  done
}
there && exit
fail() {
  echo "fetch ClerkJS: $*" >&2
  exit 1
}

fetched=$(mktemp -d ../../.fetch-XXXXXX)
trap 'rm -rf "$fetched"' EXIT
trap 'exit 130' INT TERM
# npm's own retries keep a machine without network waiting for a minute.
# shellcheck disable=SC2046,SC2086 # a list
said=$(cd "$fetched" && npm pack --json --ignore-scripts --fetch-retries=1 --fetch-retry-mintimeout=1000 \
  --fetch-retry-maxtimeout=1000 $(printf '@clerk/%s ' $packages) 2>&1) || fail "npm pack: $said"
for hash in $hashes; do
  case $said in
    *"$hash"*) ;;
    *) fail "a package is not the pinned one, of $hash: $said" ;;
  esac
done
for package in $packages; do
  tar -xzf "$fetched/clerk-$(echo "$package" | tr @ -).tgz" -C "$fetched" package/dist
  mv "$fetched/package" "$fetched/$package"
  mv "$fetched/$package" . 2>/dev/null || [ -d "$package" ] # another process was faster
done
