#!/bin/sh
# Writes the page's configuration, public/config.js (or $1), from the environment.
# vercel.json's buildCommand runs it, and so does the local server. It needs
# nothing but a POSIX shell and coreutils, for a deployment npm too, and fails with
# one line that says what to set where: a wrong variable would be found out by the
# page's readers.
set -eu
LC_ALL=C # bytes: patterns mean the same everywhere

out=${1:-public/config.js}

fail() {
  printf 'build.sh: %s\n' "$1" >&2
  exit 1
}

# It sets key, host and proxy.
# shellcheck source=lib/page/environment.sh
. "$(dirname "$0")/environment.sh"

printf '// Written by lib/page/build.sh; public by nature.\nexport const publishableKey = "%s";\nexport const clerkHost = "%s";\nexport const proxyUrl = "%s";\n' \
  "$key" "$host" "${proxy%/}" >"$out" || fail "cannot write $out"

# Vercel's build, of a copy of the repository, makes the page quick for its visitors.
# Any other leaves the sources as they are.
public=$(dirname "$out")
[ -n "${CI:-}" ] && [ -n "${VERCEL_PROJECT_PRODUCTION_URL:-}" ] && [ -f "$public/index.html" ] || exit 0
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# esbuild makes one module of all that the first posts need, chunk.js, and one of
# what main.js imports when somebody needs it. npm checks it by the hash in
# package-lock.json, and runs no script of it.
cp "$here/package.json" "$here/package-lock.json" "$work"
if said=$(npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1 --fetch-timeout=30000 --loglevel=error 2>&1); then
  # The modules are in a folder named by the sources: a page never gets those of
  # another deployment.
  modules=js/$(cd "$public" && LC_ALL=C && export LC_ALL && cat index.html app.css js/*.js | sha256sum | cut -c1-12)
  # What two modules share, esbuild puts into a third, chunk.js. The line that is added
  # to the one that main.js imports later makes that all of main.js.
  later=$(sed -n "s/^import('\.\/\(.*\.js\)').*/\1/p" "$public/js/main.js")
  echo 'import "./main.js";' >>"$public/js/${later:?}"
  "$work/node_modules/@esbuild/linux-x64/bin/esbuild" "$public/js/main.js" "$public/app.css" --bundle --splitting --format=esm --minify --sourcemap \
    --charset=utf8 --external:'*.svg' --tsconfig-raw={} --log-level=warning --outdir="$public/$modules" --entry-names='[name]' --chunk-names='[name]' || fail "esbuild does not take the page's sources"
  style=$work/app.css
  grep -v sourceMappingURL "$public/$modules/app.css" >"$style"
  rm "$public"/js/*.js "$public/$modules"/main.* "$public/$modules"/app.*
else
  modules='' style=$public/app.css
  printf 'build.sh: warning: esbuild cannot be had from npm (%s): the sources of the page are deployed as they are\n' "$(printf '%s\n' "$said" | head -n 1)" >&2
fi

# Link previews take a picture by its whole address only, and a style of the page's
# own is there before the posts are. The script stays as it is: vercel.json has its
# hash. Comments, indents and most quotes are for those who edit the page.
sed "s#content=\"/og.png\"#content=\"https://$VERCEL_PROJECT_PRODUCTION_URL/og.png\"#
/rel=\"stylesheet\"/ {
  i\\
<style>
  r $style
  a\\
</style>
  d
}
/^<!--/,/-->\$/d
${modules:+/rel=\"modulepreload\"/ {
  /main\\.js/!d
  s#/js/main#/$modules/chunk#
\}
/<script>/,/<\\/script>/! {
  s/^ *//
  s/=\"\\([a-z0-9-]*[a-z0-9]\\)\"/=\\1/g
\}}" "$public/index.html" >"$work/index.html"
mv "$work/index.html" "$public/index.html"
