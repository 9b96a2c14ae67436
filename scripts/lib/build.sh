# shellcheck shell=bash
# The release build. It has a folder of its own, as builds with other flags would rebuild each other's work.

RELEASE_FOLDER=.build/release-static

# build_release: builds the program as users get it; afterwards $SIMPLON is its path.
build_release() {
  echo "==> Building simplon (release; the first time takes several minutes)"
  swift build -c release --static-swift-stdlib --product simplon --scratch-path "$RELEASE_FOLDER"
  SIMPLON="$PWD/$RELEASE_FOLDER/release/simplon"
  export SIMPLON
}
