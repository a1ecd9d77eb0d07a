# Shared by the scripts of this folder: where things are, how to speak, how to install.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MINGTANG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mingtang}
rust_version_min=1.95.0
node_version_min=20.19.0
node_version_pinned=22.23.3

# What ensure-build put there goes before the system's own.
export PATH="$cache/node/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
have() { command -v "$1" > /dev/null 2>&1; }

# version_at_least FOUND WANTED
version_at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# Runs a command as root, directly or through sudo without a question.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2> /dev/null; }; }
}

# install_packages PACKAGE…: by apt, or a list of what a person has to install.
install_packages() {
  [ $# -gt 0 ] || return 0
  if ! may_install; then
    say "These packages are missing, and installing them needs apt and root:" >&2
    printf '  %s\n' "$@" >&2
    fail "Install them (on Debian and Ubuntu: sudo apt-get install $*) and run this again."
  fi
  say "Installing by apt: $*"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends "$@" > "$cache/apt.log" 2>&1; then
    # The list of packages may be old or empty, as in a fresh container.
    as_root apt-get update -q >> "$cache/apt.log" 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
      --no-install-recommends "$@" >> "$cache/apt.log" 2>&1 \
      || { tail -n 20 "$cache/apt.log" >&2; fail "apt could not install: $*"; }
  fi
}

# The newest folder of Postgres programs, or nothing.
postgres_bin() {
  local folder
  folder=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ -x "$folder/initdb" ]; then
    printf '%s\n' "$folder"
  elif have initdb; then
    dirname "$(command -v initdb)"
  elif have pg_config && [ -x "$(pg_config --bindir)/initdb" ]; then
    pg_config --bindir
  fi
}

mkdir -p "$cache"
