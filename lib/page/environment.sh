# Reads the variables of the environment, and ends the build with one line where one
# is wrong. lib/page/build.sh runs it, and has from it $key, the publishable key,
# $host, the Frontend API's, and $proxy.
# shellcheck shell=sh

# wrong ends the build. $2 says what is wrong with the variable $1, without its
# value. The functions say the same at run time, in lib/: here nobody has to run
# into it.
wrong() {
  case $1 in
    DATABASE_URL) advice="set it to mysql://user:password@host/database, as PlanetScale's dashboard gives it (special characters in the password percent-encoded), or to a go-sql-driver DSN" ;;
    *CLERK_PUBLISHABLE_KEY) advice="copy the publishable key (pk_…) from Clerk's dashboard, API keys" ;;
    CLERK_SECRET_KEY) advice="copy the secret key (sk_…) from Clerk's dashboard, API keys" ;;
    CLERK_JWT_KEY) advice="copy the JWKS public key (PEM) from Clerk's dashboard, API keys; or remove it, and the key is fetched with CLERK_SECRET_KEY" ;;
    *CLERK_PROXY_URL) advice="set it to the https:// address of the proxy, as in Clerk's dashboard, Domains; or remove it" ;;
    CLERK_API_URL) advice="set it to an origin such as https://api.clerk.com; or remove it" ;;
    CLERK_AUTHORIZED_PARTIES) advice="set it to origins such as https://example.com, with commas between them; or remove it" ;;
    POST_INTERVAL) advice="set it to a whole number of seconds, 0 for no limit; or remove it" ;;
  esac
  fail "$1 $2: $advice.${VERCEL:+ In Vercel: Project Settings, Environment Variables, for this environment; then deploy again.}"
}

# trim sets $value to $1 without what copying leaves around it: white space, and
# two characters that nobody sees.
nbsp=$(printf '\302\240') zwsp=$(printf '\342\200\213') bom=$(printf '\357\273\277')
trim() {
  value=$1
  while :; do
    case $value in
      [[:space:]]*) value=${value#?} ;;
      *[[:space:]]) value=${value%?} ;;
      "$nbsp"*) value=${value#"$nbsp"} ;;
      *"$nbsp") value=${value%"$nbsp"} ;;
      "$zwsp"*) value=${value#"$zwsp"} ;;
      *"$zwsp") value=${value%"$zwsp"} ;;
      "$bom"*) value=${value#"$bom"} ;;
      *"$bom") value=${value%"$bom"} ;;
      *) return 0 ;;
    esac
  done
}

# get sets $value to that of the first of the variables $@ that is set, trimmed and
# without a pair of quotes, and $name to its name; else $value to nothing.
get() {
  for name; do
    eval "trim \"\${$name:-}\""
    case $value in
      \"*\" | \'*\')
        value=${value#?}
        trim "${value%?}"
        ;;
    esac
    [ -z "$value" ] || break
  done
  [ -n "$value" ] || name=$1
  pasted=$value
  trim "${pasted%%=*}"
  trim "${value#export }"
  assigned=$value value=$pasted
  case $pasted in
    *=*)
      case $assigned in
        DATABASE_URL | CLERK_PUBLISHABLE_KEY | CLERK_SECRET_KEY | CLERK_JWT_KEY | CLERK_PROXY_URL | CLERK_API_URL | CLERK_AUTHORIZED_PARTIES | POST_INTERVAL | \
          NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY | NEXT_PUBLIC_CLERK_PROXY_URL) wrong "$name" "begins with $assigned=" ;;
      esac
      ;;
  esac
  case $value in
    '[SENSITIVE]') wrong "$name" "is [SENSITIVE], which vercel env pull writes in a secret's place" ;;
    [\"\']* | *[\"\']) wrong "$name" 'has a quotation mark at one end only' ;;
  esac
}

# isOrigin tells whether $1 is a scheme and a host, and nothing else.
isOrigin() {
  case $1 in
    *[!A-Za-z0-9.:/_+-]* | [!A-Za-z]* | *://*/* | *://) return 1 ;;
    *://*) return 0 ;;
  esac
  return 1
}

get CLERK_PUBLISHABLE_KEY NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY
key=$value
[ -n "$key" ] || wrong "$name" 'is missing'
# A key is pk_test_ or pk_live_ and the base64 of the instance's Frontend API
# host followed by "$". Clerk leaves the padding out; coreutils wants it.
case $key in
  pk_test_*) code=${key#pk_test_} ;;
  pk_live_*) code=${key#pk_live_} ;;
  sk_*) wrong "$name" 'is a secret key (sk_…), which no page may have' ;;
  *) wrong "$name" 'does not start with pk_test_ or pk_live_' ;;
esac
case $code in
  *[!A-Za-z0-9+/=]* | *=[!=]*) wrong "$name" 'is damaged: it has a character that no key has' ;;
esac
code=${code%%=*}
case $((${#code} % 4)) in
  0) padded=$code ;;
  1) padded= ;; # no base64 is so long
  2) padded=$code== ;;
  3) padded=$code= ;;
esac
host=$(printf %s "$padded" | base64 -d 2>/dev/null | tr '\000-\040' '!') || host=
# Both values are written into JavaScript: nothing but these characters may pass.
case ${host%?} in
  '' | [!A-Za-z0-9]* | *[!A-Za-z0-9.:-]*) host= ;;
esac
case $host in
  *.*'$' | localhost*'$') host=${host%?} ;;
  *) wrong "$name" "is damaged: there is no host of Clerk's in it" ;;
esac
case ${VERCEL_ENV:-}:$key in
  preview:pk_live_*) fail "$name is a production key (pk_live_), which Clerk does not allow on *.vercel.app. Set a development instance's keys (pk_test_, sk_test_) in Vercel: Project Settings, Environment Variables, Preview, then deploy again." ;;
  production:pk_test_*) printf '%s\n' 'build.sh: warning: production uses a development instance of Clerk (pk_test_), which is limited to 100 users. Set a production instance'"'"'s keys (pk_live_, sk_live_) in Vercel: Project Settings, Environment Variables, Production.' >&2 ;;
esac

get DATABASE_URL
[ -n "$value" ] || wrong "$name" 'is missing'
# Nothing else in an address tells whose database it is: whoever sets production's
# may mark it, and is told when previews would write to it.
case ${VERCEL_ENV:-}:$(printf %s "$value" | tr '[:upper:]' '[:lower:]') in
  preview:*'#production'*) wrong "$name" "has #production: previews would write to production's database" ;;
esac
address=${value%'#production'}
scheme=$(printf %s "${address%%://*}" | tr '[:upper:]' '[:lower:]')
case $scheme in
  "$address" | *'@tcp('*) scheme=dsn ;; # whose password may have any character
esac
case $address in
  *'@tcp('*) scheme=dsn ;;
esac
case $scheme in
  dsn)
    # user:password@network(address)/database?parameter=value&…
    case $address in
      *'('*')/'*) rest=${address#*')/'} before=${address%%')/'*} ;;
      *@tcp/* | *@unix/* | *@/*) rest=${address##*@} rest=${rest#*/} before=${address%@*}@ ;;
      *) wrong "$name" 'is malformed' ;;
    esac
    case $rest in
      *\?*=*/*)
        parameter=${rest%%/*}
        parameter=${parameter##*[?&]}
        wrong "$name" "is malformed: the driver refuses its parameter ${parameter%%=*}"
        ;;
    esac
    case $before in
      [!:@]*@*) ;;
      *) wrong "$name" 'names no user' ;;
    esac
    database=${rest%%\?*}
    ;;
  jdbc:*) wrong "$name" 'begins with jdbc:, which Java reads: leave that out' ;;
  postgres | postgresql) wrong "$name" 'is a PostgreSQL address; Warble needs MySQL (Vitess)' ;;
  mysql2) wrong "$name" 'begins with mysql2://, which Ruby reads: write mysql://' ;;
  mysql)
    case $address in
      *[[:space:]]* | *"$nbsp"* | *"$zwsp"* | *"$bom"*) wrong "$name" 'has white space in it' ;;
    esac
    rest=${address#*://}
    authority=${rest%%[/?#]*}
    database=${rest#"$authority"}
    database=${database%%[?#]*}
    at=${authority##*@}
    port=
    case $at in
      '['*']') ;;
      *:*) port=${at##*:} ;;
    esac
    case $port,%00$authority$database in
      *[!0-9]*,* | *%,* | *% | *%? | *%[!0-9A-Fa-f]* | *%?[!0-9A-Fa-f]*)
        wrong "$name" 'has a port that is no number, or a special character that is not percent-encoded'
        ;;
    esac
    case $at in
      '' | :*) wrong "$name" 'names no host' ;;
    esac
    case $authority in
      [!:@]*@*) ;;
      *) wrong "$name" 'names no user' ;;
    esac
    database=${database#/}
    ;;
  *) wrong "$name" "is another product's address; Warble needs MySQL (Vitess)" ;;
esac
[ -n "$database" ] || wrong "$name" 'names no database'

get CLERK_SECRET_KEY
case $value in
  '') wrong "$name" 'is missing' ;;
  pk_*) wrong "$name" 'is a publishable key (pk_…)' ;;
  sk_test_?* | sk_live_?*) ;;
  *) wrong "$name" 'does not start with sk_test_ or sk_live_' ;;
esac
case $value in
  *[!A-Za-z0-9_-]*) wrong "$name" 'is damaged: it has a character that no key has' ;;
esac

get CLERK_JWT_KEY
if [ -n "$value" ]; then
  case $(printf %s "$value" | sed 's/-----[A-Z]* PUBLIC KEY-----//g; s/\\n//g' | tr -d '[:space:]"') in
    *[!A-Za-z0-9+/=]* | [!M]*) wrong "$name" 'is no RSA public key in PEM' ;;
  esac
fi

get CLERK_API_URL
case ${value%/} in
  '') ;;
  */v1) wrong "$name" 'ends in /v1, which is added to it' ;;
  http*://*[!A-Za-z0-9.:/_-]* | http*:///*) wrong "$name" 'is no https:// address' ;;
  http://?* | https://?*) ;;
  *) wrong "$name" 'is no https:// address' ;;
esac

get CLERK_AUTHORIZED_PARTIES
parties=$value,
while [ -n "$parties" ]; do
  trim "${parties%%,*}"
  parties=${parties#*,}
  [ -z "${value%/}" ] || isOrigin "${value%/}" || wrong "$name" 'has an entry that is no origin'
done

get POST_INTERVAL
case $value in
  *[!0-9]* | ???????????*) wrong "$name" 'is no whole number of seconds' ;;
esac

get CLERK_PROXY_URL NEXT_PUBLIC_CLERK_PROXY_URL
proxy=$value
case $proxy in
  *[!A-Za-z0-9.:/_-]* | //*) wrong "$name" 'is no https:// address' ;;
esac
# A path leads to the local product's stand-in for Clerk. A deployment has none.
case ${VERCEL:+deployment}:$proxy in
  *: | :/* | *:https://?*) ;;
  *) wrong "$name" 'is no https:// address' ;;
esac
