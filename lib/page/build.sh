#!/bin/sh
# Writes the page's configuration, public/config.js (or $1), from the environment.
# vercel.json's buildCommand runs it, and so does the local server. It needs
# nothing but a POSIX shell and coreutils, and fails with one line that says what
# to set where: a page without a usable key would be found out by its readers.
set -eu

out=${1:-public/config.js}

fail() {
  printf 'build.sh: %s\n' "$1" >&2
  exit 1
}

key=${CLERK_PUBLISHABLE_KEY:-${NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY:-}}
proxy=${CLERK_PROXY_URL:-${NEXT_PUBLIC_CLERK_PROXY_URL:-}}
where='Copy it from the Clerk dashboard (API keys) to Vercel: Project Settings, Environment Variables, for this environment, then deploy again.'

[ -n "$key" ] || fail "CLERK_PUBLISHABLE_KEY is not set. $where"

# The functions say the same at run time; here nobody has to run into it.
[ -n "${DATABASE_URL:-}" ] || fail "DATABASE_URL is not set. Copy the connection string from PlanetScale's dashboard (Connect) to Vercel: Project Settings, Environment Variables, for this environment, then deploy again."
[ -n "${CLERK_SECRET_KEY:-}" ] || fail "CLERK_SECRET_KEY is not set. Copy it from the Clerk dashboard (API keys) to Vercel: Project Settings, Environment Variables, for this environment, then deploy again."
# Nothing else in an address tells whose database it is: whoever sets production's
# may mark it, and is told when previews would write to it.
case ${VERCEL_ENV:-}:$DATABASE_URL in
  preview:*'#production') fail "DATABASE_URL ends in #production: previews would write to production's database. Set another database's connection string in Vercel: Project Settings, Environment Variables, Preview only, then deploy again." ;;
esac
case ${VERCEL_ENV:-}:$key in
  preview:pk_live_*) fail "CLERK_PUBLISHABLE_KEY is a production key (pk_live_), which Clerk does not allow on *.vercel.app. Set a development instance's keys (pk_test_, sk_test_) in Vercel: Project Settings, Environment Variables, Preview, then deploy again." ;;
  production:pk_test_*) printf '%s\n' 'build.sh: warning: production uses a development instance of Clerk (pk_test_), which is limited to 100 users. Set a production instance'"'"'s keys (pk_live_, sk_live_) in Vercel: Project Settings, Environment Variables, Production.' >&2 ;;
esac

# A key is pk_test_ or pk_live_ and the base64 of the instance's Frontend API
# host followed by "$". Clerk leaves the padding out; coreutils wants it.
case $key in
  pk_test_*) code=${key#pk_test_} ;;
  pk_live_*) code=${key#pk_live_} ;;
  *) fail "CLERK_PUBLISHABLE_KEY does not start with pk_test_ or pk_live_. $where" ;;
esac
case $code in
  *[!A-Za-z0-9+/=]* | *=[!=]*) fail "CLERK_PUBLISHABLE_KEY is damaged (a character that no key has). $where" ;;
esac
code=${code%%=*}
case $((${#code} % 4)) in
  2) padded=$code== ;;
  3) padded=$code= ;;
  *) padded=$code ;;
esac
host=$(printf %s "$padded" | base64 -d 2>/dev/null | tr '\000-\040' '!') || host=
# Both values are written into JavaScript: nothing but these characters may pass.
case ${host%?} in
  '' | [!A-Za-z0-9]* | *[!A-Za-z0-9.:-]*) host= ;;
esac
case $host in
  *.*'$' | localhost*'$') host=${host%?} ;;
  *) fail "CLERK_PUBLISHABLE_KEY is damaged (no Clerk host in it). $where" ;;
esac
case $proxy in
  *[!A-Za-z0-9.:/_-]* | //*) proxy=invalid ;;
esac
# A path leads to the local product's stand-in for Clerk. A deployment has none.
case ${VERCEL:+deployment}:$proxy in
  *: | :/* | *:https://?*) ;;
  *) fail 'CLERK_PROXY_URL must be an https:// address, as in the Clerk dashboard (Domains, Proxy). Correct it in Vercel: Project Settings, Environment Variables, or remove it.' ;;
esac

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
    --charset=utf8 --log-level=warning --outdir="$work/made" --entry-names='[name]' --chunk-names='[name]' || fail "esbuild does not take the page's sources"
  rm "$public"/js/*.js "$work"/made/main.*
  mv "$work/made" "$public/$modules"
  style=$work/app.css
  grep -v sourceMappingURL "$public/$modules/app.css" >"$style"
  rm "$public/$modules"/app.*
else
  modules='' style=$public/app.css
  printf 'build.sh: warning: esbuild cannot be had from npm (%s): the sources of the page are deployed as they are\n' "$(printf '%s\n' "$said" | head -n 1)" >&2
fi

# Link previews take a picture by its whole address only, and a style of the page's
# own is there before the posts are. The script stays as it is: vercel.json has its
# hash. Comments are for those who edit the page.
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
\}}" "$public/index.html" >"$work/index.html"
mv "$work/index.html" "$public/index.html"
