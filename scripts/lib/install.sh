# shellcheck shell=bash
# What this machine still lacks, and how it gets there. Sourced by the scripts.
#
# need NAME… checks each thing, says what it is about to install, and installs it with Debian's apt-get: as root, or with
# sudo. With neither it prints the exact line and ends with 3. When everything is there it says and does nothing. A script
# calls it once, for everything at once: whoever may not install gets one line to hand on, not one after the other.

# What a build needs, what a run needs, what the tests and the benchmarks need on top: names of Debian's packages.
# shellcheck disable=SC2034  # for the scripts
FOR_BUILD=(pkg-config libpq-dev libseccomp-dev) FOR_RUN=(postgresql bubblewrap python3)
# shellcheck disable=SC2034
FOR_TESTS=(pgbouncer openssl procps python3-venv chromium libfaketime) FOR_BENCHMARKS=(python3-venv wrk)

# Ends the script: 3 is "something could not be reached", as in the command line of Simplon itself.
cannot() {
  printf '%s\n' "$@" >&2
  exit 3
}

# is_there NAME: whether the thing that the Debian package NAME brings is on this machine, wherever it came from.
is_there() {
  case "$1" in
    libpq-dev) pkg-config --exists libpq 2>/dev/null ;;
    libseccomp-dev) pkg-config --exists libseccomp 2>/dev/null ;;
    pkg-config | openssl | wrk | shellcheck | chromium) command -v "$1" >/dev/null ;;
    bubblewrap) command -v bwrap >/dev/null ;;
    procps) command -v pgrep >/dev/null ;;
    libfaketime) compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null ;;
    python3) [ -x /usr/bin/python3 ] ;;
    python3-venv) /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    pgbouncer) command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] ;;
    postgresql) [ -n "$(postgres_bin)" ] ;;
    *) cannot "scripts/lib/install.sh does not know how to look for $1" ;;
  esac
}

# The folder of the newest PostgreSQL, 15 or later; nothing when there is none.
postgres_bin() {
  local folder version
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse) \
    "$(dirname "$(command -v postgres 2>/dev/null || echo /nowhere/postgres)")"; do
    [ -x "$folder/postgres" ] || continue
    version=$("$folder/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    if [ "$version" -ge 15 ]; then
      echo "$folder"
      return
    fi
  done
}

need() {
  local name missing=() as_root=()
  for name in "$@"; do
    is_there "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null || cannot \
    "This machine lacks: ${missing[*]} (names of Debian's packages), and has no apt-get." \
    "Install what they bring with this system's package manager, then run $0 again."
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
    else
      cannot "This machine lacks: ${missing[*]}. Run this as root, then $0 again:" "  $line"
    fi
  fi

  echo "==> Installing with apt-get: ${missing[*]}"
  install_packages || cannot \
    "apt-get could not install: ${missing[*]}. Run this to see why, then $0 again:" "  $line"

  for name in "${missing[@]}"; do
    is_there "$name" || cannot "$name was installed and is still not found."
  done
}

# install_packages: apt-get on $missing, in a shell of its own whose end also undoes what was only meant for the while.
install_packages() (
  no_cluster=/etc/postgresql-common/createcluster.d/simplon.conf
  trap '"${as_root[@]}" rm -f "$no_cluster"' EXIT
  case " ${missing[*]} " in
    # Debian's package would make and keep a database cluster of its own; Simplon keeps a private one.
    *" postgresql "*)
      "${as_root[@]}" mkdir -p "$(dirname "$no_cluster")" &&
        echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_cluster" >/dev/null || exit 1
      ;;
  esac
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq &&
    apt-get install -y -qq --no-install-recommends ${missing[*]}" </dev/null >/dev/null
)

# Swift cannot be installed by apt-get; say where it comes from.
need_swift() {
  local version major minor
  command -v swift >/dev/null || cannot "Simplon needs Swift 6.2 or later: https://www.swift.org/install"
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
  read -r major minor <<<"$version"
  if [ "${major:-0}" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    cannot "Simplon needs Swift 6.2 or later; this is ${major:-?}.${minor:-?}: https://www.swift.org/install"
  fi
}
