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

planetscale() { pscale "$@" --org "$PLANETSCALE_ORG" --format json; }

# branch_state prints missing, waiting, ready or production.
branch_state() {
  list=$(planetscale branch list "$database") || return
  printf %s "$list" | jq -r --arg name "$branch" '[.[]? | select(.name == $name)][0] |
    if . == null then "missing" elif .production then "production" elif .ready then "ready" else "waiting" end'
}

# password_ids NAME prints the ids of the branch's passwords of that name.
password_ids() {
  list=$(planetscale password list "$database" "$branch") || return
  printf %s "$list" | jq -r --arg name "$1" '.[]? | select(.name == $name) | .id'
}

delete_passwords() {
  ids=$(password_ids "$1")
  for id in $ids; do
    planetscale password delete "$database" "$branch" "$id" --force >/dev/null
  done
}

# GitHub's log then shows stars in its place.
mask() { [ -z "${GITHUB_ACTIONS:-}" ] || printf '::add-mask::%s\n' "$1"; }

# create_password NAME FLAG… puts the address with a new password into url.
create_password() {
  made=$(planetscale password create "$database" "$branch" "$@")
  plain=$(printf %s "$made" | jq -er .plain_text)
  mask "$plain"
  url=$(printf %s "$made" | jq -er --arg database "$database" \
    '"mysql://\(.username | @uri):\(.plain_text | @uri)@\(.access_host_url)/\($database)?sslaccept=strict"')
  mask "$url"
}

# variable prints, of the DATABASE_URL that is this git branch's alone, when it
# was set, in milliseconds; or missing; or shared, when Vercel lists another one
# with it, and it cannot be told which of them a removal would remove.
variable() {
  list=$(vercel env ls preview "$git_branch" --format json) || return
  printf %s "$list" | jq -r --arg git_branch "$git_branch" '
    [.envs[] | select(.key == "DATABASE_URL")] as $all |
    [$all[] | select(.gitBranch == $git_branch and ([.target] | flatten) == ["preview"])] as $own |
    if $own == [] then "missing" elif ($all | length) > 1 then "shared" else $own[0].updatedAt // $own[0].createdAt end'
}

remove_variable() {
  since=$(variable)
  case $since in
    missing) ;;
    [0-9]*)
      say "removing DATABASE_URL of this git branch"
      vercel env rm DATABASE_URL preview "$git_branch" --yes
      ;;
    *) fail "Vercel does not say which DATABASE_URL is this git branch's alone: remove that one in its dashboard, then run this again" ;;
  esac
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
  echo yes | DATABASE_URL=$url make --no-print-directory push || pushed=no
  delete_passwords push
  [ "$pushed" = yes ] || fail "schema.sql could not be pushed"

  # A password is shown once. When it is there and the variable too, the variable
  # has it: that is removed before and set after a password is made.
  ids=$(password_ids preview)
  since=$(variable)
  if [ -z "$ids" ] || [ "$since" = missing ]; then
    remove_variable
    delete_passwords preview
    say "setting DATABASE_URL of this git branch"
    create_password preview --role readwriter
    printf %s "$url" | vercel env add DATABASE_URL preview --git-branch "$git_branch" --sensitive --yes
    since=$(variable)
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

close() {
  remove_variable
  if [ "$state" != missing ]; then
    say "deleting the branch $branch and its passwords"
    delete_passwords push
    delete_passwords preview
    planetscale branch delete "$database" "$branch" --force >/dev/null
  fi
  say "nothing is left of $branch"
}

state=$(branch_state)
[ "$state" != production ] || fail "$branch is a production branch on PlanetScale: it is left alone"
case $action in
  open) open "${3:-}" ;;
  close) close ;;
  *) fail "the action is open or close, not $action" ;;
esac
