#!/bin/sh
# A database for the previews of one git branch: a PlanetScale branch, with its
# address in Vercel as that git branch's DATABASE_URL.
#
#   preview.sh open GIT-BRANCH COMMIT   makes what is missing
#   preview.sh close GIT-BRANCH         removes what is there
#
# Either may be run again, also after a failure: each step looks first. Besides
# pscale, vercel, jq and make it needs, in the environment, PLANETSCALE_ORG,
# PLANETSCALE_DATABASE, PLANETSCALE_SERVICE_TOKEN_ID, PLANETSCALE_SERVICE_TOKEN,
# VERCEL_TOKEN, VERCEL_ORG_ID, VERCEL_PROJECT_ID, and takes PRODUCTION_BRANCH
# (main), the name of production's branch in git and on PlanetScale.
# .github/workflows/preview.yml runs it for each pull request.
set -eu

say() { printf 'preview: %s\n' "$*"; }
fail() {
  printf 'preview: %s\n' "$*" >&2
  exit 1
}

action=${1:?open or close}
git_branch=${2:?the git branch}
production=${PRODUCTION_BRANCH:-main}
database=${PLANETSCALE_DATABASE:?}
: "${PLANETSCALE_ORG:?}" "${PLANETSCALE_SERVICE_TOKEN_ID:?}" "${PLANETSCALE_SERVICE_TOKEN:?}"
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

# planetscale prints pscale's answer. With --format json pscale prints its errors
# as JSON on standard output too: they go to standard error from here.
planetscale() {
  if answer=$(pscale "$@" --org "$PLANETSCALE_ORG" --format json); then
    printf '%s\n' "$answer"
    return
  fi
  # No password is in an answer that failed.
  printf 'pscale %s %s: %s\n' "$1" "$2" "$(error_of "$answer")" >&2
  return 1
}

error_of() { printf %s "$1" | jq -er .error 2>/dev/null || printf %s "$1"; }

# branch_state prints missing, waiting, ready or production. It asks for this
# branch alone, since lists end after 100.
branch_state() {
  if shown=$(pscale branch show "$database" "$branch" --org "$PLANETSCALE_ORG" --format json); then
    printf %s "$shown" | jq -er --arg name "$branch" 'select(.name == $name) |
      if .production then "production" elif .ready then "ready" else "waiting" end'
    return
  fi
  # Only these words mean that the branch is missing. A database that is not
  # found, or a token that is refused, says something else.
  case $(error_of "$shown") in
    "branch "*"$branch"*" does not exist in database "*) ;;
    *)
      printf 'pscale branch show: %s\n' "$(error_of "$shown")" >&2
      return 1
      ;;
  esac
  # pscale says them too where the token may not read branches: then it cannot
  # see production's either.
  planetscale branch show "$database" "$production" >/dev/null || return
  echo missing
}

# password_ids NAME prints the ids of the branch's passwords of that name.
password_ids() {
  list=$(planetscale password list "$database" "$branch" --name "$1") || return
  printf %s "$list" | jq -r --arg name "$1" '.[]? | select(.name == $name) | .id'
}

delete_passwords() {
  ids=$(password_ids "$1") || return
  for id in $ids; do
    planetscale password delete "$database" "$branch" "$id" --force >/dev/null || return
  done
}

# GitHub's log then shows stars in its place.
mask() { [ -z "${GITHUB_ACTIONS:-}" ] || printf '::add-mask::%s\n' "$1"; }

# create_password NAME FLAG… puts the address with a new password into url.
create_password() {
  made=$(planetscale password create "$database" "$branch" "$@")
  made=$(printf %s "$made" | jq -er --arg database "$database" '
    "\(.plain_text // error("pscale shows no password")) mysql://\(.username | @uri):\(.plain_text | @uri)@\(.access_host_url)/\($database)?sslaccept=strict"')
  url=${made##* }
  mask "${made% *}"
  mask "$url"
}

# variable prints when the DATABASE_URL that is this git branch's alone was set, in
# milliseconds, or missing; then its ids, of which there may be more than one.
variable() {
  list=$(vercel api "/v10/projects/$VERCEL_PROJECT_ID/env?teamId=$VERCEL_ORG_ID" --raw) || return
  printf %s "$list" | jq -er --arg git_branch "$git_branch" '
    if (.envs | type) != "array" then error("Vercel listed no variables: \(.)") else .envs end |
    map(select(.key == "DATABASE_URL" and .gitBranch == $git_branch and ([.target] | flatten) == ["preview"])) |
    "\(map(.updatedAt // .createdAt) | max // "missing") \(map(.id) | join(" "))"'
}

# By its id: a removal by name could take the variable of all previews.
remove_variable() {
  found=$(variable) || return
  for id in ${found#* }; do
    say "removing DATABASE_URL of this git branch"
    vercel api "/v9/projects/$VERCEL_PROJECT_ID/env/$id?teamId=$VERCEL_ORG_ID" -X DELETE --dangerously-skip-permissions --silent || return
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
    planetscale branch create "$database" "$branch" --from "$production" >/dev/null
    state=waiting
  fi
  tries=60 # ten minutes
  while [ "$state" != ready ]; do
    [ "$tries" -gt 0 ] || fail "the branch $branch is not ready after ten minutes"
    tries=$((tries - 1))
    sleep 10
    state=$(branch_state)
  done

  say "pushing schema.sql to $branch"
  delete_passwords push
  create_password push --role admin --ttl 900
  pushed=yes
  push_schema || pushed=no
  delete_passwords push
  [ "$pushed" = yes ] || fail "schema.sql could not be pushed"

  # A password is shown once. When it is there and the variable too, the variable
  # has it: that is removed before and set after a password is made.
  ids=$(password_ids preview)
  since=$(variable)
  since=${since%% *}
  if [ -z "$ids" ] || [ "$since" = missing ]; then
    remove_variable
    delete_passwords preview
    say "setting DATABASE_URL of this git branch"
    create_password preview --role readwriter
    printf %s "$url" | vercel env add DATABASE_URL preview --git-branch "$git_branch" --sensitive --yes
    since=$(variable)
    since=${since%% *}
  fi

  # A deployment has the variables of its own time. One of this commit that is
  # older than the variable is made again; a younger one has it already.
  list=$(vercel list --environment preview --meta "githubCommitSha=$commit" --format json)
  old=$(printf %s "$list" | jq -r --arg git_branch "$git_branch" --arg since "$since" '
    [.deployments[] | select(.target != "production" and .meta.githubCommitRef == $git_branch)] |
    max_by(.createdAt) | select(. != null and .createdAt < ($since | tonumber? // infinite)) | .url')
  if [ -n "$old" ]; then
    say "deploying again, with the new DATABASE_URL"
    vercel redeploy "$old" --target preview --no-wait --scope "$VERCEL_ORG_ID"
  fi
  say "the previews of this git branch use $branch"
}

# close removes the variable and the branch, each whatever becomes of the other,
# and says at the end what is left. A branch's passwords go with it.
close() {
  left=
  remove_variable || left="
  DATABASE_URL of the git branch $git_branch: remove it in Vercel's dashboard, Settings, Environment Variables, Preview"
  if state=$(branch_state); then
    case $state in
      missing) ;;
      production) left="$left
  $branch: it is a production branch on PlanetScale and is left alone" ;;
      *)
        say "deleting the branch $branch and its passwords"
        planetscale branch delete "$database" "$branch" --force >/dev/null || left="$left
  $branch: pscale branch delete $database $branch --org $PLANETSCALE_ORG" ;;
    esac
  else
    left="$left
  perhaps $branch, since PlanetScale did not say: pscale branch show $database $branch --org $PLANETSCALE_ORG, then pscale branch delete"
  fi
  [ -z "$left" ] || fail "not everything was removed. Run this again, or remove by hand:$left"
  say "nothing is left of $branch"
}

case $action in
  open)
    state=$(branch_state)
    [ "$state" != production ] || fail "$branch is a production branch on PlanetScale: it is left alone"
    open "${3:-}"
    ;;
  close) close ;;
  *) fail "the action is open or close, not $action" ;;
esac
