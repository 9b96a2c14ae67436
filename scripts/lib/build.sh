# shellcheck shell=bash
# Where things are built. Builds with other flags rebuild each other's work, so each set of flags has a folder of its own,
# and `swift build` by hand keeps `.build` to itself.

RELEASE_FOLDER=.build/release-static
# shellcheck disable=SC2034  # scripts/test reads these two
TESTS_FOLDER=.build/tests TSAN_FOLDER=.build/tsan

# build_release: builds the program as users get it; afterwards $SIMPLON is its path.
build_release() {
  echo "==> Building simplon (release; the first time takes several minutes)"
  swift build -c release --static-swift-stdlib --product simplon --scratch-path "$RELEASE_FOLDER"
  SIMPLON="$PWD/$RELEASE_FOLDER/release/simplon"
  export SIMPLON
}
