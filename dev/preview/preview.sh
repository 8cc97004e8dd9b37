#!/bin/sh
# A database for the previews of one git branch: a PlanetScale branch, with its
# address in Vercel as that git branch's DATABASE_URL.
#
#   preview.sh open GIT-BRANCH COMMIT   makes what is missing
#   preview.sh close GIT-BRANCH         removes what is there
#
# Either may be run again, also after a failure: each step looks first. It asks the
# APIs of PlanetScale and Vercel. Besides curl, jq and make it needs, in the
# environment, PLANETSCALE_ORG, PLANETSCALE_DATABASE, PLANETSCALE_SERVICE_TOKEN_ID,
# PLANETSCALE_SERVICE_TOKEN, VERCEL_TOKEN, VERCEL_ORG_ID, VERCEL_PROJECT_ID, and
# takes PRODUCTION_BRANCH (main), the name of production's branch in git and on
# PlanetScale. .github/workflows/preview.yml runs it for each pull request.
set -eu

say() { printf 'preview: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

action=${1:?open or close}
git_branch=${2:?the git branch}
production=${PRODUCTION_BRANCH:-main}
: "${PLANETSCALE_ORG:?}" "${PLANETSCALE_DATABASE:?}" "${PLANETSCALE_SERVICE_TOKEN_ID:?}" "${PLANETSCALE_SERVICE_TOKEN:?}"
: "${VERCEL_TOKEN:?}" "${VERCEL_ORG_ID:?}" "${VERCEL_PROJECT_ID:?}"

case $git_branch in
  "$production")
    say "$production is production's branch: it gets no preview database"
    exit 0
    ;;
  -*) fail "a git branch whose name begins with a dash gets no preview database" ;;
esac

# The PlanetScale branch: for people the start of the git branch's name in the
# characters that both allow, and for uniqueness a hash of all of it.
slug=$(printf %s "$git_branch" | LC_ALL=C tr '[:upper:]' '[:lower:]' | LC_ALL=C tr -cs 'a-z0-9' '-' | cut -c 1-24)
slug=${slug#-}
slug=${slug%-}
hash=$(printf %s "$git_branch" | sha256sum | cut -c 1-16)
branch=preview-${slug:+$slug-}$hash

database=https://api.planetscale.com/v1/organizations/$PLANETSCALE_ORG/databases/$PLANETSCALE_DATABASE
vercel=https://api.vercel.com
team=teamId=$VERCEL_ORG_ID
newline='
'

# call METHOD URL [BODY] puts a service's answer into $answer and its HTTP status
# into $status. Token and body reach curl through pipes: other processes can read
# a program's arguments.
call() {
  asked="$1 $2"
  case $2 in
    "$database"*) token=$PLANETSCALE_SERVICE_TOKEN_ID:$PLANETSCALE_SERVICE_TOKEN ;;
    *) token="Bearer $VERCEL_TOKEN" ;;
  esac
  answer=$(printf %s "${3:-}" | curl --silent --show-error --globoff --max-time 60 --write-out '\n%{http_code}' \
    --header @/dev/fd/3 --header 'Content-Type: application/json' ${3:+--data-binary @-} --request "$1" "$2" 3<<EOF
Authorization: $token
EOF
  ) || {
    printf 'no answer to %s\n' "$asked" >&2
    return 1
  }
  status=${answer##*"$newline"}
  answer=${answer%"$newline"*}
}

# accepted fails unless the service did what it was asked.
accepted() {
  case $status in 2??) return 0 ;; esac
  # No password is in an answer that says no.
  printf '%s: %s %s\n' "$asked" "$status" "$answer" >&2
  return 1
}

must() { call "$@" && accepted; }

# find_branch sets state: missing, waiting, ready or production. It asks for this
# branch alone, since lists have pages.
find_branch() {
  call GET "$database/branches/$branch" || return
  if [ "$status" = 404 ]; then
    # PlanetScale says so too where the token may not read branches: then it does
    # not see production's either.
    must GET "$database/branches/$production" || return
    state=missing
    return
  fi
  accepted || return
  state=$(printf %s "$answer" | jq -r 'if .production then "production" elif .ready then "ready" else "waiting" end')
}

# find_passwords sets passwords to NAME:ID of each password of the branch.
find_passwords() {
  passwords=
  page=1
  while [ "$page" != null ]; do
    must GET "$database/branches/$branch/passwords?per_page=100&page=$page" || return
    found=$(printf %s "$answer" | jq -r '.next_page, (.data[] | select(.name == "push" or .name == "preview") | "\(.name):\(.id)")') || return
    page=${found%%"$newline"*}
    passwords="$passwords ${found#"$page"}"
  done
}

# delete_passwords NAME deletes those that find_passwords found.
delete_passwords() {
  for password in $passwords; do
    case $password in
      "$1":*) must DELETE "$database/branches/$branch/passwords/${password#*:}" || return ;;
    esac
  done
}

# GitHub's log then shows stars in its place.
mask() { [ -z "${GITHUB_ACTIONS:-}" ] || printf '::add-mask::%s\n' "$1"; }

# create_password FIELDS sets id, and url to the address with a new password.
create_password() {
  must POST "$database/branches/$branch/passwords" "$1"
  made=$(printf %s "$answer" | jq -er --arg database "$PLANETSCALE_DATABASE" '
    "\(.id) \(.plain_text // error("PlanetScale shows no password")) " +
    "mysql://\(.username | @uri):\(.plain_text | @uri)@\(.access_host_url)/\($database)?sslaccept=strict"')
  id=${made%% *}
  url=${made##* }
  made=${made#* }
  mask "${made% *}"
  mask "$url"
}

# find_variable sets since to when the DATABASE_URL that is this git branch's alone
# was set, in milliseconds, and ids to its id. Where there are several, since is
# missing, as where there is none.
find_variable() {
  must GET "$vercel/v10/projects/$VERCEL_PROJECT_ID/env?$team" || return
  found=$(printf %s "$answer" | jq -er --arg git_branch "$git_branch" '.envs |
    map(select(.key == "DATABASE_URL" and .gitBranch == $git_branch and ([.target] | flatten) == ["preview"])) |
    "\(if length == 1 then .[0] | .updatedAt // .createdAt else "missing" end) \(map(.id) | join(" "))"') || return
  since=${found%% *}
  ids=${found#* }
}

# remove_variable removes what find_variable found, by its id: by its name it could
# be the variable of all previews.
remove_variable() {
  for id in $ids; do
    say "removing DATABASE_URL of this git branch"
    must DELETE "$vercel/v9/projects/$VERCEL_PROJECT_ID/env/$id?$team" || return
  done
}

# push_schema runs without the tokens: it builds and runs code, and reads a file
# that the pull request's author wrote. `read` takes the address from a pipe, so
# that it is no argument that other processes see.
push_schema() {
  # shellcheck disable=SC2016 # $DATABASE_URL is the inner shell's
  printf '%s\n' "$url" | env -i PATH="$PATH" HOME="${HOME:-/}" ${GOROOT:+GOROOT="$GOROOT"} ${GOPROXY:+GOPROXY="$GOPROXY"} \
    sh -c 'read -r DATABASE_URL && export DATABASE_URL && echo yes | make --no-print-directory push'
}

open() {
  commit=${1:?the commit}
  if [ "$state" = missing ]; then
    say "creating the branch $branch"
    must POST "$database/branches" "{\"name\":\"$branch\",\"parent_branch\":\"$production\",\"cluster_size\":\"PS_DEV\"}"
    state=waiting
  fi
  tries=60 # ten minutes
  while [ "$state" != ready ]; do
    [ "$tries" -gt 0 ] || fail "the branch $branch is not ready after ten minutes"
    tries=$((tries - 1))
    sleep 10
    find_branch
  done

  say "pushing schema.sql to $branch"
  find_passwords
  delete_passwords push
  create_password '{"name":"push","role":"admin","ttl":900}'
  pushed=yes
  push_schema || pushed=no
  must DELETE "$database/branches/$branch/passwords/$id"
  [ "$pushed" = yes ] || fail "schema.sql could not be pushed"

  # A password is shown once. When it is there and the variable too, the variable
  # has it: that is removed before and set after a password is made.
  find_variable
  case $passwords in *preview:*) ;; *) since=missing ;; esac
  if [ "$since" = missing ]; then
    remove_variable
    delete_passwords preview
    say "setting DATABASE_URL of this git branch"
    create_password '{"name":"preview","role":"readwriter"}'
    variable=$(printf %s "$url" | jq -R --arg git_branch "$git_branch" \
      '{type: "sensitive", key: "DATABASE_URL", value: ., target: ["preview"], gitBranch: $git_branch}')
    must POST "$vercel/v10/projects/$VERCEL_PROJECT_ID/env?$team" "$variable"
  fi

  # A deployment has the variables of its own time. One of this commit that is older
  # than the variable, as all are than one set now, is made again; a younger one has it.
  must GET "$vercel/v6/deployments?projectId=$VERCEL_PROJECT_ID&target=preview&meta-githubCommitSha=$commit&limit=100&$team"
  old=$(printf %s "$answer" | jq -c --arg git_branch "$git_branch" --arg since "$since" '
    [.deployments[] | select(.meta.githubCommitRef == $git_branch)] |
    max_by(.createdAt) | select(. != null and .createdAt < ($since | tonumber? // infinite)) |
    {deploymentId: .uid, name, meta: {action: "redeploy"}}')
  if [ -n "$old" ]; then
    say "deploying again, with the new DATABASE_URL"
    must POST "$vercel/v13/deployments?forceNew=1&$team" "$old"
  fi
  say "the previews of this git branch use $branch"
}

# close removes the variable and the branch, each whatever becomes of the other,
# and says at the end what is left. A branch's passwords go with it.
close() {
  left=
  { find_variable && remove_variable; } || left="
  DATABASE_URL of the git branch $git_branch: remove it in Vercel's dashboard, Settings, Environment Variables, Preview"
  if find_branch; then
    case $state in
      missing) ;;
      production) left="$left
  $branch: it is a production branch on PlanetScale and is left alone" ;;
      *)
        say "deleting the branch $branch and its passwords"
        must DELETE "$database/branches/$branch" || left="$left
  $branch: delete it in PlanetScale's dashboard, Branches" ;;
    esac
  else
    left="$left
  perhaps $branch, since PlanetScale did not say: delete it in PlanetScale's dashboard, Branches"
  fi
  [ -z "$left" ] || fail "not everything was removed. Run this again, or remove by hand:$left"
  say "nothing is left of $branch"
}

case $action in
  open)
    find_branch
    [ "$state" != production ] || fail "$branch is a production branch on PlanetScale: it is left alone"
    open "${3:-}"
    ;;
  close) close ;;
  *) fail "the action is open or close, not $action" ;;
esac
